import {
  type ASTNode,
  GraphQLError,
  isValueNode,
  Kind,
  print,
  type VariableDefinitionNode,
} from "graphql";
import { CitadelError, type ErrorType } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { retryAfterOf } from "../http/responses/errors.ts";

/** The status of a request whose document is refused, for clients that accept application/graphql-response+json. */
const REFUSED_DOCUMENT = 400;

/** An error of GraphQL itself that says what to do; the message has names of the document at most. */
export const refusal = (
  type: ErrorType,
  message: string,
  nodes?: ASTNode | readonly ASTNode[],
): GraphQLError =>
  new GraphQLError(message, { nodes, originalError: new CitadelError(type, { message }) });

/** The error that caused an error of GraphQL; undefined for one of GraphQL's own. */
export function causeOf(error: GraphQLError): unknown {
  const { originalError } = error;
  return originalError instanceof GraphQLError ? causeOf(originalError) : originalError;
}

/** An error as clients receive it: the error object of HTTP, as `message` and `extensions`. */
export function toShownError(error: GraphQLError): GraphQLError {
  const { name, message, code, type, data } = toPublicError(causeOf(error) ?? ownError(error));
  const retryAfter = retryAfterOf({ name, message, code, type, data });
  return new GraphQLError(message, {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: {
      code,
      type,
      name,
      ...(data !== undefined && { data }),
      ...(retryAfter !== undefined && { retryAfter }),
      // yoga's, which is not sent
      ...(error.path === undefined && { http: { spec: true, status: REFUSED_DOCUMENT } }),
    },
  });
}

/** In characters: a name in a document may be as long as the document. */
const MAX_MESSAGE = 300;

/** An error of GraphQL itself. Its messages may contain values of the document and of variables, which are left out. */
function ownError(error: GraphQLError): CitadelError {
  const { message, nodes = [], path } = error;
  if (message.startsWith("Syntax Error: Document contains more than"))
    return new CitadelError("PayloadTooLarge", { message: "The document has too many tokens." });
  if (message.startsWith("Syntax Error"))
    return new CitadelError("BadRequest", { message: "The document has a syntax error." });
  const variable = nodes.find((node) => node.kind === Kind.VARIABLE_DEFINITION);
  if (variable && path === undefined && !SAFE.test(message))
    return new CitadelError("VALIDATION_ERROR", { message: messageOf(variable) });
  const isOfValue =
    !SAFE.test(message) &&
    nodes.some((node) => isValueNode(node) || node.kind === Kind.OBJECT_FIELD);
  if (isOfValue || path !== undefined)
    return new CitadelError("VALIDATION_ERROR", {
      message: "A value does not have the type that the schema names.",
    });
  return new CitadelError("BadRequest", { message: message.slice(0, MAX_MESSAGE) });
}

/** Messages about variables that have only names. */
const SAFE = /^Variable "\$\w+" (?:is not defined|is never used|of )/;

const messageOf = ({ variable, type }: VariableDefinitionNode): string =>
  `The variable "$${variable.name.value}" does not have the type "${print(type)}".`.slice(
    0,
    MAX_MESSAGE,
  );
