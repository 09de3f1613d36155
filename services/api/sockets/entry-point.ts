import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import type { ActionName, Caller, PayloadOf } from "../../../lib/contract/calls.ts";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError, type PublicError } from "../../../lib/errors/errors.ts";
import { isUnlogged, toPublicError } from "../../../lib/errors/public-error.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import { clientOf } from "../client.ts";
import { logFailure } from "../http/responses/errors.ts";
import type { Gateways, Socket } from "../gateways.ts";
import {
  authorize,
  end,
  expectAnswer,
  identify,
  identityOf,
  mustBeToken,
  roomOf,
  roomOfSession,
} from "./authentication.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";

/** The Socket.IO side of the gateway: moleculer-io's settings. */

type Ack = (answer: { ok: true; data: unknown } | { ok: false; error: PublicError }) => void;

/** How long who has connected may take to say who they are, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** The actions that a socket may call: those that have a route. */
const callable: ReadonlySet<string> = new Set(
  routesOf(loadContracts()).map(({ action }) => action),
);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Calls an action as the gateway, on behalf of the socket's user. */
function callerFor(service: Service, socket: Socket): Caller {
  const client = clientOf(socket.request, configOf(service.broker));
  return ownContext(service, identityOf(socket)?.token, client);
}

/** @throws CitadelError NotFound for what has no route, VALIDATION_ERROR for parameters that are no object */
async function callFor(service: Service, socket: Socket, action: unknown, params: unknown) {
  if (typeof action !== "string" || !callable.has(action)) throw new CitadelError("NotFound");
  if (!isObject(params)) throw new CitadelError("VALIDATION_ERROR");
  return callerFor(service, socket).call(action as ActionName, params);
}

/** An error as the client sees it; what is not the client's fault is logged, unless it was already. */
function failure(service: Service, error: unknown): PublicError {
  if (isUnlogged(error)) logFailure(service, error);
  return toPublicError(error);
}

/** Answers an event that is not let through to its handler. */
export function refuse(service: Service, event: string, sent: unknown[], error: unknown): void {
  const respond = sent.at(-1);
  if (typeof respond !== "function") return;
  const shown = failure(service, error);
  respond(event === "call" ? shown : { ok: false, error: shown });
}

/** A client event whose answer is one object. */
function answered(
  handle: (service: Service, socket: Socket, data: Record<string, unknown>) => Promise<unknown>,
) {
  return function (this: Socket & { $service: Service }, ...sent: unknown[]) {
    const [data] = sent;
    // what stands last: a client that has nothing to say sends no data
    const ack = sent.at(-1);
    const respond = typeof ack === "function" ? (ack as Ack) : () => {};
    const handling = (async () => handle(this.$service, this, isObject(data) ? data : {}))();
    const answering = handling.then(
      (result) => respond({ ok: true, data: result }),
      (error: unknown) => respond({ ok: false, error: failure(this.$service, error) }),
    );
    expectAnswer(this, answering);
  };
}

const events = {
  message: answered((service, socket, { roomId = "lobby", text, clientId }) =>
    callerFor(service, socket).call("chat.send", {
      id: roomId,
      text,
      ...(clientId !== undefined && { clientId }),
    } as { id: string; text: string }),
  ),

  "auth:refresh": answered(async (service, socket, { token }) => ({
    exp: await identify(service, socket, mustBeToken(token)),
  })),

  call(this: Socket & { $service: Service }, ...sent: unknown[]) {
    const respond = sent.pop();
    if (typeof respond !== "function") return;
    const [action, params] = sent;
    const answering = callFor(this.$service, this, action, params ?? {}).then(
      (result: unknown) => respond(null, result),
      (error: unknown) => respond(failure(this.$service, error)),
    );
    expectAnswer(this, answering);
  },
};

/** Is this an event that clients may send? Node and Socket.IO listen to others on a socket, such as `error`. */
export const isClientEvent = (event: string): boolean => Object.hasOwn(events, event);

/** moleculer-io's settings. */
export function socketSettings(origins: readonly string[]): object {
  return {
    options: {
      serveClient: false,
      maxHttpBufferSize: 100_000,
      connectTimeout: CONNECT_TIMEOUT,
      cors: { origin: [...origins] },
    },
    namespaces: { "/": { authorization: true, events } },
  };
}

/** What the service does with its sockets. */
export const socketMethods = (limiter: RateLimiter) => ({
  socketAuthorize(this: Service, socket: Socket) {
    return authorize(this, socket, limiter);
  },
  // a callee's meta never changes who a socket is
  socketSaveMeta() {},
  socketSaveUser() {},
});

/** Sends to the sockets of this node. */
export function senders(gateways: () => Gateways) {
  return {
    toRoom(roomId: string, event: string, data: unknown) {
      gateways().io.local.to(roomOf(roomId)).emit(event, data);
    },
    toAll(event: string, data: unknown) {
      gateways().io.local.emit(event, data);
    },
    /** Ends those that came with a token which is refused from now on. */
    async endTokens({ sessions }: PayloadOf<"sessions.revoked">) {
      const { sockets, adapter } = gateways().io.of("/");
      for (const { sid, generation } of sessions) {
        const type = generation === undefined ? "AccessTokenRevoked" : "AccessTokenExpired";
        for (const id of adapter.rooms.get(roomOfSession(sid)) ?? []) {
          const socket = sockets.get(id);
          const known = socket && identityOf(socket);
          if (known && known.generation < (generation ?? Infinity))
            end(socket, new CitadelError(type));
        }
      }
    },
  };
}
