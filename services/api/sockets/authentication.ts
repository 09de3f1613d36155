import { setTimeout as delay } from "node:timers/promises";
import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { auditRefusal } from "../../../middlewares/audit.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import { clientOf } from "../client.ts";
import type { Socket } from "../gateways.ts";
import { type RateLimiter, mustBeWithinLimit } from "../limits/rate-limiter.ts";
import { isAllowed } from "../origins.ts";
import { tokenOfHandshake } from "../access-token.ts";

/** Whom each socket speaks for, and until when. */

/** Who a socket is. Kept here and nowhere else, so that no callee can change it. */
interface Identity {
  readonly userId: string;
  sid: string;
  generation: number;
  token: string;
  expiry: NodeJS.Timeout;
}

/** How long calls may take whose socket has been ended, so that their answers come first, in milliseconds. */
const LAST_ANSWERS = 1_000;

const identities = new WeakMap<Socket, Identity>();

/** What clients wait for, by socket, until it is answered. */
const unanswered = new WeakMap<Socket, Set<Promise<unknown>>>();

export const roomOf = (roomId: string) => `room:${roomId}`;
export const roomOfSession = (sid: string) => `session:${sid}`;
const roomOfUser = (userId: string) => `user:${userId}`;

/** The user that a socket speaks for. */
export const userOf = (socket: Socket): string | undefined => identities.get(socket)?.userId;

export const identityOf = (socket: Socket): Readonly<Identity> | undefined =>
  identities.get(socket);

/** Remembers what the client of a socket waits for: `logout` ends the socket that it is called from. */
export function expectAnswer(socket: Socket, answer: Promise<unknown>): void {
  const waiting = unanswered.get(socket) ?? new Set();
  unanswered.set(socket, waiting.add(answer));
  const forgetAnswer = () => void waiting.delete(answer);
  void answer.then(forgetAnswer, forgetAnswer);
}

const ending = new WeakSet<Socket>();

/** Ends a connection with the reason, which the client gets to see, once what it has called for is answered. */
export function end(socket: Socket, error: unknown): void {
  if (ending.has(socket)) return;
  ending.add(socket);
  // it hears of nothing any more
  for (const room of socket.rooms) if (room !== socket.id) void socket.leave(room);
  const close = () => {
    socket.emit("session:end", toPublicError(error));
    socket.disconnect(true);
  };
  const waiting = unanswered.get(socket);
  if (!waiting?.size) return close();
  void Promise.race([Promise.allSettled(waiting), delay(LAST_ANSWERS)]).then(close);
}

/** Takes the token and ends the connection when it does. @returns when, in seconds since the epoch */
export async function identify(service: Service, socket: Socket, token: string): Promise<number> {
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
export function mustBeToken(token: unknown): string {
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

/** Lets a socket in that has proved who it is, or refuses it with the reason. */
export async function authorize(
  service: Service,
  socket: Socket,
  limiter: RateLimiter,
): Promise<void> {
  const config = configOf(service.broker);
  const client = clientOf(socket.request, config);
  try {
    if (!isAllowed(socket.request, config)) throw new CitadelError("OriginNotAllowed");
    // one connection may try as often as it likes
    mustBeWithinLimit(await limiter.countAddress("address", client.address));
    await identify(service, socket, mustBeToken(tokenOfHandshake(socket, config)));
    await socket.join(roomOf("lobby"));
    await joinUser(service, socket);
    socket.once("disconnect", () => {
      forget(socket);
      // nothing else would end a connection that nobody speaks over
      socket.conn.close();
    });
    if (socket.conn.readyState !== "open") forget(socket);
  } catch (error) {
    forget(socket);
    const context = ownContext(service, undefined, client);
    auditRefusal(context, "user.refused", "the sockets", error);
    const shown = toPublicError(error);
    throw Object.assign(new Error(shown.message), { data: shown });
  }
}
