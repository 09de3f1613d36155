import type { IncomingMessage } from "node:http";
import type { Service } from "moleculer";
import type { makeServer } from "graphql-ws";
import type { RawData, WebSocket } from "ws";
import { ownContext } from "../../../lib/context/own-context.ts";
import { bearerOf } from "../../../lib/authentication/bearer-token.ts";
import type { Config } from "../../../lib/config/config.ts";
import { guardOf } from "../../../lib/config/guarded-routes.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { mustBeSubject, subjectTypesOf } from "../../../lib/tokens/subject-groups.ts";
import { auditRefusal } from "../../../middlewares/audit.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import { tokenOfRequest } from "../access-token.ts";
import { contract } from "../api.contract.ts";
import { clientOf } from "../client.ts";
import { logFailure } from "../http/responses/errors.ts";
import type { OpenCounts } from "../limits/open-counts.ts";

export interface ConnectionOptions {
  readonly config: Config;
  /** Counts the connections of each user. */
  readonly users: OpenCounts;
}

type Server = ReturnType<typeof makeServer>;
type GraphQlSocket = Parameters<Server["opened"]>[0];
type Closed = ReturnType<Server["opened"]>;

/** The user and the session of a connection. */
interface Identity {
  readonly claims: AccessTokenClaims;
  readonly token: string;
  /** Ends the connection when the token expires. */
  readonly expiry: NodeJS.Timeout;
}

/** A new token helps: clients of graphql-ws connect again after this close code. */
const FORBIDDEN = 4403;
/** Clients of graphql-ws do not connect again after this one. */
const UNAUTHORIZED = 4401;
/** Try again later (RFC 6455's registry of close codes). */
const TRY_AGAIN_LATER = 1013;

/** One WebSocket of `/graphql`, with the access token of its `connectionParams`. It has one token for its whole life. */
export class Connection {
  readonly #service: Service;
  readonly #socket: WebSocket;
  readonly #req: IncomingMessage;
  readonly #options: ConnectionOptions;
  #identity: Identity | undefined;
  #subscriptions = 0;

  constructor(
    service: Service,
    {
      socket,
      req,
      options,
    }: { socket: WebSocket; req: IncomingMessage; options: ConnectionOptions },
  ) {
    this.#service = service;
    this.#socket = socket;
    this.#req = req;
    this.#options = options;
  }

  get userId(): string | undefined {
    return this.#identity?.claims.sub;
  }

  /**
   * Authenticates the connection, or ends it.
   *
   * @param params the `connectionParams`: `{ token }` or `{ authorization: "Bearer …" }`
   * @returns whether the connection may go on
   */
  async identify(params: unknown): Promise<boolean> {
    const { config, users } = this.#options;
    try {
      const token = this.#tokenOf(params);
      if (token === undefined) throw new CitadelError("AccessTokenRequired");
      const claims = await accessTokenVerifierOf(this.#service.broker).verify(token);
      const names = guardOf(config.guardedRoutes, "/graphql");
      if (names) mustBeSubject(claims, subjectTypesOf(names));
      if (users.of(claims.sub) >= config.maxSockets.user) throw new CitadelError("TooManyRequests");
      users.add(claims.sub, this.#socket);
      const expiry = setTimeout(
        () => this.end(new CitadelError("AccessTokenExpired")),
        claims.exp * 1000 - Date.now(),
      );
      this.#identity = { claims, token, expiry };
      if (this.#socket.readyState !== this.#socket.OPEN) this.stop();
      return true;
    } catch (error) {
      const client = clientOf(this.#req, config);
      auditRefusal(ownContext(this.#service, { client }), "user.refused", "/graphql", error);
      this.end(error);
      return false;
    }
  }

  /** @throws CitadelError AccessTokenVerificationFailed for several tokens, and what `tokenOfRequest` throws */
  #tokenOf(params: unknown): string | undefined {
    const given = (params ?? {}) as Readonly<Record<string, unknown>>;
    const { token, authorization = given.Authorization } = given;
    const tokens = [
      token,
      typeof authorization === "string" ? bearerOf(authorization) : undefined,
      this.#req.headers.authorization,
    ].filter((one) => one !== undefined && one !== null);
    if (tokens.length > 1) throw new CitadelError("AccessTokenVerificationFailed");
    if (token === undefined && authorization === undefined)
      return tokenOfRequest(this.#req, this.#options.config);
    const [only] = tokens;
    if (typeof only !== "string" || only === "") throw new CitadelError("AccessTokenRequired");
    return only;
  }

  /**
   * Passes messages to graphql-ws and back, until the connection closes.
   *
   * @param open graphql-ws' `opened`
   */
  serve(open: (socket: GraphQlSocket) => Closed): void {
    const socket = this.#socket;
    const closed = open({
      protocol: socket.protocol,
      send: (text) =>
        new Promise((resolve, reject) => {
          if (socket.readyState !== socket.OPEN) return resolve();
          // graphql-ws waits until the message is written, so that a client that does not read is not sent more
          socket.send(text, (error) => (error ? reject(error) : resolve()));
        }),
      close: (code = 1000, reason = "") => this.close(code, reason),
      onMessage: (handle) =>
        void socket.on("message", (data: RawData) => {
          // ws makes one buffer of each message, unless it is told otherwise
          handle((data as Buffer).toString()).catch((error: unknown) => {
            logFailure(this.#service, error);
            this.end(error);
          });
        }),
    });
    socket.once("close", (code, reason) => void closed(code, String(reason)));
  }

  /**
   * The claims of the access token, verified now; undefined after the end.
   *
   * @throws CitadelError what the verifier throws
   */
  claims(): AccessTokenClaims | undefined | Promise<AccessTokenClaims> {
    if (!this.#identity || this.#socket.readyState !== this.#socket.OPEN) return undefined;
    return accessTokenVerifierOf(this.#service.broker).verify(this.#identity.token);
  }

  /** Counts a subscription. @throws CitadelError TooManyRequests */
  addSubscription(): void {
    if (this.#subscriptions >= contract.limits.subscriptionsOfSocket.max)
      throw new CitadelError("TooManyRequests", {
        message: "End a subscription before you begin another.",
      });
    this.#subscriptions += 1;
  }

  removeSubscription(): void {
    this.#subscriptions -= 1;
  }

  endIfRevoked({ sid, generation }: { sid: string; generation?: number | undefined }): void {
    const claims = this.#identity?.claims;
    if (claims?.sid !== sid) return;
    if (generation === undefined) this.end(new CitadelError("AccessTokenRevoked"));
    else if (claims.generation < generation) this.end(new CitadelError("AccessTokenExpired"));
  }

  async confirm(): Promise<void> {
    try {
      await this.claims();
    } catch (error) {
      // what is unavailable now is asked again at each delivery
      if (toPublicError(error).code < 500) this.end(error);
    }
  }

  /** Closes the connection; the reason is the type of the error. */
  end(error: unknown): void {
    const { type, code } = toPublicError(error);
    const isTemporary = code === 429 || code >= 500;
    const needsNewToken = type === "AccessTokenExpired";
    this.close(isTemporary ? TRY_AGAIN_LATER : needsNewToken ? FORBIDDEN : UNAUTHORIZED, type);
  }

  close(code: number, reason: string): void {
    this.stop();
    this.#socket.close(code, reason);
  }

  /** Stops the timer of the access token. */
  stop(): void {
    clearTimeout(this.#identity?.expiry);
  }
}
