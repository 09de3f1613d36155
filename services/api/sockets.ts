import type { Service } from "moleculer";
import type { ActionName, Caller } from "../../lib/contract.ts";
import { loadContracts, routesOf } from "../../lib/contracts.ts";
import { CitadelError, type PublicError } from "../../lib/errors.ts";
import { isUnlogged, toPublicError } from "../../lib/public-error.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { ownContext } from "../../mixins/contract.ts";
import type { Gateways, Socket } from "./gateways.ts";
import { bearerOf } from "./http.ts";

/** The Socket.IO side of the gateway: moleculer-io's settings. */

type Ack = (answer: { ok: true; data: unknown } | { ok: false; error: PublicError }) => void;

/** Who a socket is. Kept here and nowhere else, so that no callee can change it. */
interface Identity {
  readonly userId: string;
  sid: string;
  token: string;
  expiry: NodeJS.Timeout;
}

const identities = new WeakMap<Socket, Identity>();

const roomOf = (roomId: string) => `room:${roomId}`;
const roomOfSession = (sid: string) => `session:${sid}`;

/** Ends a connection with the reason, which the client gets to see. */
function end(socket: Socket, error: unknown): void {
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
  identities.set(socket, { userId: claims.sub, sid: claims.sid, token, expiry });
  void socket.join(roomOfSession(claims.sid));
  // it may have gone while the token was looked at, and then nothing else ends the timer
  if (socket.conn.readyState !== "open") forget(socket);
  return claims.exp;
}

/** Ends what waits for the end of a socket's token. */
const forget = (socket: Socket) => clearTimeout(identities.get(socket)?.expiry);

/** Looks at the token once more: its session may have ended between the handshake and now. */
export async function confirm(service: Service, socket: Socket): Promise<void> {
  try {
    await accessTokenVerifierOf(service.broker).verify(identities.get(socket)?.token ?? "");
  } catch (error) {
    end(socket, error);
  }
}

/** The handshake's token: `auth.token`, `Authorization: Bearer` or `?token=`. */
function tokenOf({ handshake }: Socket): unknown {
  return (
    (handshake.auth as { token?: unknown }).token ??
    bearerOf(handshake.headers.authorization) ??
    handshake.query.token
  );
}

/** A token that somebody sent. @throws CitadelError AccessTokenRequired where there is none */
function mustBeToken(token: unknown): string {
  if (typeof token !== "string" || token === "") throw new CitadelError("AccessTokenRequired");
  return token;
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
    await identify(service, socket, mustBeToken(tokenOf(socket)));
    await socket.join(roomOf("lobby"));
  } catch (error) {
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
  return ownContext(service, identities.get(socket)?.token);
}

/** An error as the client sees it; what is not the client's fault is logged, unless it was already. */
function failure({ logger }: Service, error: unknown): PublicError {
  if (isUnlogged(error)) logger.error({ err: error }, "A socket's event failed.");
  return toPublicError(error);
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

  call(
    this: Socket & { $service: Service },
    action: unknown,
    params: unknown,
    ack?: (error: PublicError | null, result?: unknown) => void,
  ) {
    const [given, respond] = typeof params === "function" ? [{}, params] : [params ?? {}, ack];
    if (typeof respond !== "function") return;
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

/** May a page of this origin connect? Our own may, and those that the operator lists. */
function isAllowed(
  origin: string | undefined,
  host: string | undefined,
  listed: readonly string[],
) {
  if (origin === undefined || listed.includes(origin)) return true;
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** moleculer-io's settings. */
export function socketSettings(origins: readonly string[]): object {
  return {
    options: {
      serveClient: false,
      maxHttpBufferSize: 100_000,
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
    async endSession(sid: string) {
      const sockets = gateways().io.of("/").in(roomOfSession(sid)).local;
      sockets.emit("session:end", new CitadelError("AccessTokenRevoked").toJSON());
      sockets.disconnectSockets(true);
    },
  };
}
