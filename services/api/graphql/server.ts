import {
  execute,
  type ExecutionResult,
  getOperationAST,
  type GraphQLError,
  type GraphQLSchema,
  OperationTypeNode,
} from "graphql";
import { createYoga, type GraphQLParams, type Plugin } from "graphql-yoga";
import { LRUCache } from "lru-cache";
import type { GatewayRequest } from "../gateways.ts";
import { parseDocument, validateDocument } from "./documents.ts";
import { toShownError } from "./errors.ts";
import type { ResolverContext } from "./schema/executable.ts";

/** What an operation is executed with. */
export interface OperationContext extends ResolverContext {
  readonly req: GatewayRequest;
  readonly params: GraphQLParams;
  /** Called with each error before it is shown. */
  onError(error: GraphQLError): void;
}

/** What a request may contain. Subscriptions need a connection that stays open. */
const REQUESTS = [OperationTypeNode.QUERY, OperationTypeNode.MUTATION];
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
    onParse: ({ setParseFn }) => setParseFn(parseDocument),
    onValidate: ({ setValidationFn }) =>
      setValidationFn((schema, document) =>
        validateDocument(schema, document, { isOpen, allowed: REQUESTS }),
      ),
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
