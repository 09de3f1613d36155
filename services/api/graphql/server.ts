import {
  execute,
  type ExecutionResult,
  getOperationAST,
  type GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  parse,
  validate,
} from "graphql";
import { createYoga, type GraphQLParams, type Plugin } from "graphql-yoga";
import { LRUCache } from "lru-cache";
import { contract } from "../api.contract.ts";
import type { GatewayRequest } from "../gateways.ts";
import { documentRefusals } from "./document-limits.ts";
import { toShownError } from "./errors.ts";
import { NoProtoRule } from "./no-proto-rule.ts";
import type { ResolverContext } from "./schema/executable.ts";

/** What an operation is executed with. */
export interface OperationContext extends ResolverContext {
  readonly req: GatewayRequest;
  readonly params: GraphQLParams;
  /** Called with each error before it is shown. */
  onError(error: GraphQLError): void;
}

/** The most errors that are found in one document. */
const MAX_ERRORS = 10;
/** The parsed documents that are kept, in characters of their texts. */
const MAX_CACHED = 1_000_000;
/** A longer name of an operation is not logged. */
const MAX_NAME = 100;

/**
 * Yoga, which parses, validates and executes operations, and makes their responses. The gateway reads the requests: it has
 * checked the type, the size and the form of the body.
 *
 * @param isOpen whether clients may read the schema, by introspection and by suggestions of names
 */
export const makeServer = (schema: GraphQLSchema, isOpen: boolean) =>
  createYoga<OperationContext>({
    schema,
    plugins: [pluginFor(isOpen)],
    parserAndValidationCache: { documentCache: cacheOfDocuments(), errorCache: cacheOfDocuments() },
    // all errors are converted in onResultProcess
    maskedErrors: false,
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    maxRequestBodySize: false,
  });

const cacheOfDocuments = <V extends object>() =>
  new LRUCache<string, V>({
    maxSize: MAX_CACHED,
    sizeCalculation: (_document, text) => text.length + 1,
  });

function pluginFor(isOpen: boolean): Plugin<OperationContext, OperationContext> {
  const hideSuggestions = !isOpen;
  return {
    onRequestParse: ({ serverContext, setRequestParser }) => {
      setRequestParser(() => serverContext.params);
    },
    onParse: ({ setParseFn }) => {
      const maxTokens = contract.limits.graphqlTokens.max;
      setParseFn((source, options) => parse(source, { ...options, maxTokens }));
    },
    onValidate: ({ setValidationFn, addValidationRule }) => {
      addValidationRule(NoProtoRule);
      if (!isOpen) addValidationRule(NoSchemaIntrospectionCustomRule);
      setValidationFn((schema, document, rules) => {
        const refusals = documentRefusals(schema, document);
        return refusals.length > 0
          ? refusals
          : validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions });
      });
    },
    onExecute: ({ args, setExecuteFn }) => {
      const name = getOperationAST(args.document, args.operationName)?.name?.value;
      const { req } = args.contextValue;
      if (name !== undefined && name.length <= MAX_NAME) req.operation = name;
      setExecuteFn((given) => execute({ ...given, hideSuggestions }));
    },
    onResultProcess: ({ result, setResult, serverContext }) => {
      const { errors, ...others } = result as ExecutionResult;
      if (!errors) return;
      for (const error of errors) serverContext.onError(error);
      setResult({ ...others, errors: errors.map(toShownError) });
    },
  };
}
