import type { Service } from "moleculer";
import type { ActionName, Caller } from "../../lib/contract.ts";
import { loadContracts, routesOf } from "../../lib/contracts.ts";
import { CitadelError, type PublicError } from "../../lib/errors.ts";
import { toPublicError } from "../../lib/public-error.ts";
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
function end(socket: Socket, error: CitadelError): void {
  socket.emit("session:end", error.toJSON());
  socket.disconnect(true);
}

/** Takes the token and ends the connection when it does. @returns when, in seconds since the epoch */
async function identify(service: Service, socket: Socket, token: string): Promise<number> {
  const claims = await accessTokenVerifierOf(service.broker).verify(token);
  const known = identities.get(socket);
  if (known && known.userId !== claims.sub)
    throw new CitadelError("UserNotAuthorized", { message: "This token is somebody else's." });
  if (known) {
    clearTimeout(known.expiry);
    await socket.leave(roomOfSession(known.sid));
  }
  const expiry = setTimeout(
    () => end(socket, new CitadelError("AccessTokenExpired")),
    claims.exp * 1000 - Date.now(),
  );
  identities.set(socket, { userId: claims.sub, sid: claims.sid, token, expiry });
  await socket.join(roomOfSession(claims.sid));
  return claims.exp;
}

/** The handshake's token: `auth.token`, `Authorization: Bearer` or `?token=`. */
function tokenOf({ handshake }: Socket): unknown {
  return (
    (handshake.auth as { token?: unknown }).token ??
    bearerOf(handshake.headers.authorization) ??
    handshake.query.token
  );
}

async function authorize(service: Service, socket: Socket): Promise<void> {
  try {
    const token = tokenOf(socket);
    if (typeof token !== "string" || token === "") throw new CitadelError("AccessTokenRequired");
    await identify(service, socket, token);
    await socket.join(roomOf("lobby"));
    socket.once("disconnect", () => clearTimeout(identities.get(socket)?.expiry));
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

/** A client event whose answer is one object. */
function answered(
  handle: (service: Service, socket: Socket, data: Record<string, unknown>) => Promise<unknown>,
) {
  return function (this: Socket & { $service: Service }, data: unknown, ack?: Ack) {
    const respond: Ack = typeof ack === "function" ? ack : () => {};
    handle(this.$service, this, isObject(data) ? data : {}).then(
      (result) => respond({ ok: true, data: result }),
      (error: unknown) => respond({ ok: false, error: toPublicError(error) }),
    );
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
    exp: await identify(service, socket, String(token)),
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
      (error: unknown) => respond(toPublicError(error)),
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
      allowRequest(
        { headers }: { headers: Record<string, string | undefined> },
        decide: (error: string | null, allowed: boolean) => void,
      ) {
        decide(null, isAllowed(headers.origin, headers.host, origins));
      },
    },
    namespaces: { "/": { authorization: true, events } },
  };
}

/** What the service does with its sockets. */
export const socketMethods = {
  socketAuthorize(this: Service, socket: Socket) {
    return authorize(this, socket);
  },
  // a callee's meta never changes who a socket is
  socketSaveMeta() {},
  socketSaveUser() {},
};

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
