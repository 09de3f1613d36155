import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Context, Service, ServiceSchema } from "moleculer";
import SocketIOMixin from "moleculer-io";
import ApiGateway from "moleculer-web";
import type { Server, Socket } from "socket.io";

// The two gateways with the types that they have, and without what they offer to other services:
// listing and changing routes, calling any action from a socket, sending to any socket.

const { rest } = ApiGateway.actions as {
  rest: { handler(this: Service, ctx: Context<{ res: ServerResponse }>): Promise<unknown> };
};

/**
 * moleculer-web: HTTP. `rest` runs until its response has been read, so a bulkhead around it would let clients that do
 * not read stop everybody; work-slots.ts limits the work instead.
 */
export const httpGateway = {
  ...ApiGateway,
  actions: {
    rest: {
      ...rest,
      bulkhead: { enabled: false },
      /** moleculer-web would wait for the end of a response that has ended before. */
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

/** What the gateways put onto the service. */
export interface Gateways {
  server: HttpServer;
  io: Server;
}

export interface GatewayRequest extends IncomingMessage {
  $ctx: Context;
  $startTime?: [number, number];
  originalUrl?: string;
  /** There once the route is known, if it leads to an action. */
  $action?: { name: string };
  /** The path, without the query and a slash at the end. */
  parsedUrl?: string;
  /** There once the body is read. */
  $params?: Record<string, unknown>;
}

export type GatewayResponse = ServerResponse;

export type { Socket };
