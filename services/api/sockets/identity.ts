import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import type { Caller } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import { clientOf } from "../client.ts";
import type { Socket } from "../gateways.ts";
import { roomOfSession } from "./rooms/room-names.ts";
import { end, isEnding } from "./session-end.ts";

/** The user and the session of a socket. Kept in this file only, so that no service's response can change it. */
interface Identity {
  readonly userId: string;
  readonly sid: string;
  readonly generation: number;
  /** Another user acts as this one. */
  readonly isImpersonated: boolean;
  readonly token: string;
  /** Ends the socket when the token expires. */
  readonly expiry: NodeJS.Timeout;
}

const identities = new WeakMap<Socket, Identity>();

export const identityOf = (socket: Socket): Identity | undefined => identities.get(socket);

/** The user of a socket. */
export const userOf = (socket: Socket): string | undefined => identities.get(socket)?.userId;

/**
 * The claims of a socket's access token, verified now; undefined for a socket that is closed or being closed. It returns
 * synchronously as the verifier does.
 *
 * @throws CitadelError what the verifier throws
 */
export function claimsOf(
  { broker }: Service,
  socket: Socket,
): AccessTokenClaims | undefined | Promise<AccessTokenClaims> {
  const identity = socket.connected && !isEnding(socket) ? identities.get(socket) : undefined;
  return identity && accessTokenVerifierOf(broker).verify(identity.token);
}

/** A context that calls actions as the gateway, on behalf of the socket's user. */
export function callerFor(api: Service, socket: Socket): Caller {
  const client = clientOf(socket.request, configOf(api.broker));
  return ownContext(api, { accessToken: identityOf(socket)?.token, client });
}

/**
 * Verifies an access token and makes it the socket's, until it expires.
 *
 * @returns when it expires, in seconds since the epoch
 * @throws CitadelError UserNotAuthorized for the token of another user, and what the verifier throws
 */
export async function identify(api: Service, socket: Socket, token: string): Promise<number> {
  const claims = await accessTokenVerifierOf(api.broker).verify(token);
  const previous = identities.get(socket);
  if (previous && previous.userId !== claims.sub)
    throw new CitadelError("UserNotAuthorized", {
      message: "This token belongs to another user. Open a new connection with it.",
    });
  // no `await` below: two refreshes at the same time replace each other's identity completely
  if (previous) {
    clearTimeout(previous.expiry);
    void socket.leave(roomOfSession(previous.sid));
  }
  const expiry = setTimeout(
    () => end(socket, new CitadelError("AccessTokenExpired")),
    claims.exp * 1000 - Date.now(),
  );
  const { sub: userId, sid, generation, act } = claims;
  const isImpersonated = act !== undefined;
  identities.set(socket, { userId, sid, generation, isImpersonated, token, expiry });
  void socket.join(roomOfSession(sid));
  // the connection may have closed during the verification, after which nothing else clears the timer
  if (socket.conn.readyState !== "open") stopExpiry(socket);
  return claims.exp;
}

/** Clears the timer of a socket's token. */
export const stopExpiry = (socket: Socket): void => clearTimeout(identities.get(socket)?.expiry);

/** @throws CitadelError AccessTokenRequired if the value is no token */
export function mustBeToken(token: unknown): string {
  if (typeof token !== "string" || token === "") throw new CitadelError("AccessTokenRequired");
  return token;
}
