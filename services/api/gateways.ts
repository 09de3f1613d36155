import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Context, Service, ServiceSchema } from "moleculer";
import SocketIOMixin from "moleculer-io";
import ApiGateway from "moleculer-web";
import type { Server, Socket } from "socket.io";
import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";

// moleculer-web and moleculer-io with types, and without the actions that they offer to other services: list and change
// routes, call any action from a socket, send to any socket.

const { rest } = ApiGateway.actions as {
  rest: { handler(this: Service, ctx: Context<{ res: ServerResponse }>): Promise<unknown> };
};

/**
 * moleculer-web: HTTP. `rest` serves the gateway's own routes (http/entry-point.ts calls the actions), and runs until the
 * client has read its response, so with a bulkhead around it clients that do not read would block all others.
 */
export const httpGateway = {
  ...ApiGateway,
  actions: {
    rest: {
      ...rest,
      bulkhead: { enabled: false },
      /** moleculer-web would wait forever for the end of a response that is destroyed already. */
      handler(this: Service, ctx: Context<{ res: ServerResponse }>) {
        return ctx.params.res.destroyed ? true : rest.handler.call(this, ctx);
      },
    },
  },
  events: {},
} as Partial<ServiceSchema>;

/** moleculer-io: Socket.IO on the same server. */
export const socketGateway = {
  ...(SocketIOMixin as Partial<ServiceSchema>),
  actions: {},
} as Partial<ServiceSchema>;

/** The properties that moleculer-web and moleculer-io add to the service. */
export interface Gateways {
  server: HttpServer;
  io: Server;
}

export interface GatewayRequest extends IncomingMessage {
  /** Set once the body is read. */
  body?: unknown;
  /** The method and pattern of its route, `"GET /api/posts/:id"`. */
  routePattern?: string;
  /** The name of the GraphQL operation, once the document is valid. */
  operation?: string;
  /** The user of its access token, once that is verified. */
  user?: AccessTokenClaims;
}

export type GatewayResponse = ServerResponse;

export type { Socket };
