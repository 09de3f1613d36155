import type { Service } from "moleculer";
import { configOf } from "../../lib/attachment.ts";
import type { ActionName, Caller, PayloadOf } from "../../lib/contract.ts";
import { loadContracts, routesOf } from "../../lib/contracts.ts";
import { CitadelError, type PublicError } from "../../lib/errors.ts";
import { isUnlogged, toPublicError } from "../../lib/public-error.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { ownContext } from "../../mixins/contract.ts";
import { auditRefusal } from "../../middlewares/audit.ts";
import { clientOf } from "./client-address.ts";
import type { Gateways, Socket } from "./gateways.ts";
import { isAllowed } from "./origins.ts";
import { tokenOfHandshake } from "./tokens.ts";

/** The Socket.IO side of the gateway: moleculer-io's settings. */

type Ack = (answer: { ok: true; data: unknown } | { ok: false; error: PublicError }) => void;

/** Who a socket is. Kept here and nowhere else, so that no callee can change it. */
interface Identity {
  readonly userId: string;
  sid: string;
  generation: number;
  token: string;
  expiry: NodeJS.Timeout;
}

/** How long who has connected may take to say who they are, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

const identities = new WeakMap<Socket, Identity>();

const roomOf = (roomId: string) => `room:${roomId}`;
const roomOfSession = (sid: string) => `session:${sid}`;
const roomOfUser = (userId: string) => `user:${userId}`;

/** The user that a socket speaks for. */
export const userOf = (socket: Socket): string | undefined => identities.get(socket)?.userId;

/** Ends a connection with the reason, which the client gets to see. */
export function end(socket: Socket, error: unknown): void {
  socket.emit("session:end", toPublicError(error));
  socket.disconnect(true);
}

/** Takes the token and ends the connection when it does. @returns when, in seconds since the epoch */
async function identify(service: Service, socket: Socket, token: string): Promise<number> {
  const claims = await accessTokenVerifierOf(service.broker).verify(token);
  const known = identities.get(socket);
  if (known && known.userId !== claims.sub)
    throw new CitadelError("UserNotAuthorized", { message: "This token is somebody else's." });
  // nothing waits from here on: of two refreshes at once, the second finds what the first has left
  if (known) {
    clearTimeout(known.expiry);
    void socket.leave(roomOfSession(known.sid));
  }
  const expiry = setTimeout(
    () => end(socket, new CitadelError("AccessTokenExpired")),
    claims.exp * 1000 - Date.now(),
  );
  const { sub: userId, sid, generation } = claims;
  identities.set(socket, { userId, sid, generation, token, expiry });
  void socket.join(roomOfSession(claims.sid));
  // it may have gone while the token was looked at, and then nothing else ends the timer
  if (socket.conn.readyState !== "open") forget(socket);
  return claims.exp;
}

/** Ends what waits for the end of a socket's token. */
const forget = (socket: Socket) => clearTimeout(identities.get(socket)?.expiry);

/** After how long a token is looked at again that could not be judged, in milliseconds. */
const PATIENCE = 1_000;

/** Looks at the token once more: its session may have ended between the handshake and now. */
export async function confirm(service: Service, socket: Socket): Promise<void> {
  try {
    await accessTokenVerifierOf(service.broker).verify(identities.get(socket)?.token ?? "");
  } catch (error) {
    if (toPublicError(error).code < 500) return end(socket, error);
    const again = () => void (socket.connected && confirm(service, socket));
    setTimeout(again, PATIENCE).unref();
  }
}

/** A token that somebody sent. @throws CitadelError AccessTokenRequired where there is none */
function mustBeToken(token: unknown): string {
  if (typeof token !== "string" || token === "") throw new CitadelError("AccessTokenRequired");
  return token;
}

/** Counts the sockets of a user by the room that they share. @throws CitadelError TooManyRequests */
async function joinUser({ broker }: Service, socket: Socket): Promise<void> {
  const room = roomOfUser(userOf(socket) ?? "");
  const open = socket.nsp.adapter.rooms.get(room)?.size ?? 0;
  if (open >= configOf(broker).maxSockets.user) throw new CitadelError("TooManyRequests");
  await socket.join(room);
}

async function authorize(
  service: Service,
  socket: Socket,
  origins: readonly string[],
): Promise<void> {
  try {
    const { origin, host } = socket.handshake.headers;
    if (!isAllowed(origin, host, origins)) throw new CitadelError("OriginNotAllowed");
    socket.once("disconnect", () => forget(socket));
    socket.conn.once("close", () => forget(socket));
    await identify(
      service,
      socket,
      mustBeToken(tokenOfHandshake(socket, configOf(service.broker))),
    );
    await socket.join(roomOf("lobby"));
    await joinUser(service, socket);
  } catch (error) {
    const client = clientOf(socket.request, configOf(service.broker));
    const context = ownContext(service, undefined, client);
    auditRefusal(context, "user.refused", "the sockets", error);
    const shown = toPublicError(error);
    throw Object.assign(new Error(shown.message), { data: shown });
  }
}

/** The actions that a socket may call: those that have a route. */
const callable: ReadonlySet<string> = new Set(
  routesOf(loadContracts()).map(({ action }) => action),
);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Calls an action as the gateway, on behalf of the socket's user. */
function callerFor(service: Service, socket: Socket): Caller {
  const client = clientOf(socket.request, configOf(service.broker));
  return ownContext(service, identities.get(socket)?.token, client);
}

/** An error as the client sees it; what is not the client's fault is logged, unless it was already. */
function failure({ logger }: Service, error: unknown): PublicError {
  if (isUnlogged(error)) logger.error({ err: error }, "A socket's event failed.");
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
  return async function (this: Socket & { $service: Service }, ...sent: unknown[]) {
    const [data] = sent;
    // what stands last: a client that has nothing to say sends no data
    const ack = sent.at(-1);
    const respond = typeof ack === "function" ? (ack as Ack) : () => {};
    try {
      const result = await handle(this.$service, this, isObject(data) ? data : {});
      respond({ ok: true, data: result });
    } catch (error) {
      respond({ ok: false, error: failure(this.$service, error) });
    }
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
    const given = params ?? {};
    const calling =
      typeof action === "string" && callable.has(action) && isObject(given)
        ? callerFor(this.$service, this).call(action as ActionName, given)
        : Promise.reject(new CitadelError("NotFound"));
    calling.then(
      (result: unknown) => respond(null, result),
      (error: unknown) => respond(failure(this.$service, error)),
    );
  },
};

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

/** What the service does with its sockets. @param origins the pages, besides our own, that may connect */
export const socketMethods = (origins: readonly string[]) => ({
  socketAuthorize(this: Service, socket: Socket) {
    return authorize(this, socket, origins);
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
          const known = socket && identities.get(socket);
          if (known && known.generation < (generation ?? Infinity))
            end(socket, new CitadelError(type));
        }
      }
    },
  };
}
