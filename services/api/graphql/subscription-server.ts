import {
  type ExecutionArgs,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  OperationTypeNode,
} from "graphql";
import { makeServer, type SubscribePayload } from "graphql-ws";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Subscription, Subscriptions } from "../subscriptions/subscriptions.ts";
import type { Connection } from "./connection.ts";
import type { ServeConnection } from "./connections.ts";
import { parseDocument, validateDocument } from "./documents.ts";
import { toShownError } from "./errors.ts";
import { EventQueue } from "./event-queue.ts";
import type { EventOrEnd, SubscriptionContext } from "./schema/executable.ts";

/** How long a client may take from the connection to `connection_init`, in milliseconds. */
const INIT_TIMEOUT = 10_000;

/**
 * Serves subscriptions by graphql-ws: it parses and validates each, and runs it while the connection's access token allows it.
 *
 * @param isOpen whether clients may read the schema, by suggestions of names
 */
export function serveSubscriptions(
  schema: GraphQLSchema,
  subscriptions: Subscriptions,
  isOpen: boolean,
): ServeConnection {
  const prepare = (payload: SubscribePayload): ExecutionArgs | readonly GraphQLError[] => {
    try {
      const document = parseDocument(payload.query);
      const checks = { isOpen, allowed: [OperationTypeNode.SUBSCRIPTION] };
      const problems = validateDocument(schema, document, checks);
      if (problems.length > 0) return problems;
      const { operationName, variables: variableValues } = payload;
      if (!getOperationAST(document, operationName))
        return [new GraphQLError("The document has no such operation.")];
      return { schema, document, operationName, variableValues, hideSuggestions: !isOpen };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      throw error;
    }
  };
  const server = makeServer<Record<string, unknown>, { connection: Connection }>({
    connectionInitWaitTimeout: INIT_TIMEOUT,
    onConnect: ({ connectionParams, extra }) => extra.connection.identify(connectionParams),
    onSubscribe: ({ extra }, _id, payload) => {
      const args = prepare(payload);
      if (!("schema" in args)) return args;
      return { ...args, contextValue: makeContext(extra.connection, subscriptions) };
    },
    onNext: (_ctx, _id, _payload, _args, { data, errors }) => ({
      ...(data !== undefined && { data }),
      ...(errors && { errors: errors.map(format) }),
    }),
    onError: (_ctx, _id, _payload, errors) => errors.map(format),
  });
  return (connection) => connection.serve((socket) => server.opened(socket, { connection }));
}

const format = (error: GraphQLError) => toShownError(error).toJSON();

/** The context of one subscription. */
const makeContext = (
  connection: Connection,
  subscriptions: Subscriptions,
): SubscriptionContext => ({
  async subscribe(event, params) {
    connection.addSubscription();
    let subscription: Subscription | undefined;
    const events = new EventQueue<EventOrEnd>(() => {
      subscription?.remove();
      connection.removeSubscription();
    });
    try {
      subscription = await subscriptions.add({
        event,
        params,
        identity: () => connection.claims(),
        // only Socket.IO has rooms
        inRoom: () => false,
        deliver: (data) => {
          // no event may be missing silently
          if (!events.push({ data })) connection.end(new CitadelError("TooManyRequests"));
        },
        end: (error) => {
          events.push({ error });
          events.end();
        },
      });
    } catch (error) {
      await events.return();
      throw error;
    }
    return events;
  },
});
