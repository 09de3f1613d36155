import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationTypeNode,
  parse,
  type Source,
  specifiedRules,
  validate,
} from "graphql";
import { contract } from "../api.contract.ts";
import { documentRefusals } from "./document-limits.ts";
import { refusal } from "./errors.ts";
import { NoProtoRule } from "./no-proto-rule.ts";

// The checks of every document, of a request and of a subscription.

/** The most errors that are found in one document. */
const MAX_ERRORS = 10;

/** @throws GraphQLError for a syntax error, and for too many tokens */
export const parseDocument = (source: string | Source): DocumentNode =>
  parse(source, { maxTokens: contract.limits.graphqlTokens.max });

interface Checks {
  /** Whether clients may read the schema, by introspection and by suggestions of names. */
  isOpen: boolean;
  /** The kinds of operation that are possible here. */
  allowed: readonly OperationTypeNode[];
}

/** @returns what is wrong with the document */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  { isOpen, allowed }: Checks,
): readonly GraphQLError[] {
  const refusals = [
    ...document.definitions.flatMap((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION && !allowed.includes(definition.operation)
        ? [refusal("BadRequest", WRONG_PROTOCOL, definition)]
        : [],
    ),
    ...documentRefusals(schema, document),
  ];
  if (refusals.length > 0) return refusals;
  const rules = [
    ...specifiedRules,
    NoProtoRule,
    ...(isOpen ? [] : [NoSchemaIntrospectionCustomRule]),
  ];
  return validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions: !isOpen });
}

const WRONG_PROTOCOL =
  "Queries and mutations are sent as HTTP requests, subscriptions over a WebSocket.";
