import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Room } from "./log.ts";

/** One refresh token of a session, as the service auth keeps it. */
interface RefreshToken {
  readonly session: Session;
  /** The idempotency key of the request that has used it, and its response's token. */
  used?: { readonly key: string | undefined; readonly next: string };
}

interface Session {
  readonly username: string;
  ended: boolean;
}

/** What the fake does with the next request of a route instead of responding. */
export type Fault =
  | "lose the request"
  | "lose the response"
  | { readonly status: number; readonly retryAfter?: number };

const error = (code: number, type: string, data?: unknown) => ({
  name: type,
  message: type,
  code,
  type,
  data,
});

/** A small HTTP server that signs users in, and rotates refresh tokens, as the application does. */
export class FakeApi {
  readonly server = createServer((req, res) => void this.#handle(req, res));
  readonly rooms = new Map<string, Room>();
  /** The requests that have arrived, "POST /api/auth/refresh". */
  readonly requests: string[] = [];
  /** Faults of the next requests, by path. */
  readonly faults = new Map<string, Fault[]>();
  /** In seconds. */
  expiresIn = 600;
  /** Called before a refresh is handled. */
  beforeRefresh: () => Promise<void> | void = () => {};
  readonly #refreshTokens = new Map<string, RefreshToken>();
  readonly #accessTokens = new Map<string, { session: Session; expiresAt: number }>();
  /** Called when a session has ended. */
  onEnd: (username: string) => void = () => {};

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  count(path: string) {
    return this.requests.filter((one) => one.endsWith(path)).length;
  }

  fail(path: string, ...faults: Fault[]) {
    this.faults.set(path, faults);
  }

  /** The user of an access token, or the error. */
  verify(
    token: string | undefined,
  ): { username: string; expiresAt: number } | ReturnType<typeof error> {
    if (!token) return error(401, "AccessTokenRequired");
    const known = this.#accessTokens.get(token);
    if (!known) return error(401, "AccessTokenVerificationFailed");
    if (known.session.ended) return error(401, "AccessTokenRevoked");
    if (known.expiresAt <= Date.now()) return error(401, "AccessTokenExpired");
    return { username: known.session.username, expiresAt: known.expiresAt };
  }

  expire(token: string) {
    this.#accessTokens.get(token)!.expiresAt = 0;
  }

  expireAll() {
    for (const one of this.#accessTokens.values()) one.expiresAt = 0;
  }

  end(username: string) {
    for (const { session } of this.#accessTokens.values())
      if (session.username === username) session.ended = true;
    this.onEnd(username);
  }

  #respond(session: Session, refresh: string) {
    const access = randomUUID();
    this.#accessTokens.set(access, { session, expiresAt: Date.now() + this.expiresIn * 1_000 });
    if (!this.#refreshTokens.has(refresh)) this.#refreshTokens.set(refresh, { session });
    const { username } = session;
    return {
      access_token: access,
      token_type: "Bearer",
      expires_in: this.expiresIn,
      refresh_token: refresh,
      user: { id: username, username, email: `${username}@example.com`, roles: [] },
    };
  }

  async #handle(req: IncomingMessage, res: ServerResponse) {
    const { pathname, searchParams } = new URL(req.url!, "http://localhost");
    this.requests.push(`${req.method} ${pathname}`);
    let text = "";
    for await (const chunk of req) text += chunk;
    const body = text === "" ? {} : JSON.parse(text);
    const fault = this.faults.get(pathname)?.shift();
    const send = (status: number, value?: unknown) => {
      if (fault === "lose the response") req.socket.destroy();
      else
        res
          .writeHead(status, { "content-type": "application/json" })
          .end(value === undefined ? "" : JSON.stringify(value));
    };
    if (fault === "lose the request") return void req.socket.destroy();
    if (typeof fault === "object")
      return send(fault.status, error(fault.status, "Fault", { retryAfter: fault.retryAfter }));
    if (pathname === "/api/auth/login" || pathname === "/api/auth/register") {
      if (body.password === "wrong") return send(401, error(401, "InvalidCredentials"));
      const session = { username: body.username, ended: false };
      return send(200, this.#respond(session, randomUUID()));
    }
    if (pathname === "/api/auth/refresh") {
      await this.beforeRefresh();
      return this.#refresh(body, send);
    }
    const user = this.verify(req.headers.authorization?.replace("Bearer ", ""));
    if ("code" in user) return send(user.code, user);
    if (pathname === "/api/auth/logout") {
      this.end(user.username);
      return send(204);
    }
    const [, id] = /^\/api\/chat\/rooms\/([^/]+)\/messages$/.exec(pathname) ?? [];
    const room = id && this.rooms.get(decodeURIComponent(id));
    if (room)
      return send(200, {
        items: room.history(Number(searchParams.get("before")), Number(searchParams.get("limit"))),
        nextCursor: null,
      });
    // what the client has sent
    send(200, { method: req.method, path: req.url, body, user: user.username });
  }

  #refresh(
    { refresh_token, idempotency_key: key }: { refresh_token: string; idempotency_key?: string },
    send: (status: number, value?: unknown) => void,
  ) {
    const token = this.#refreshTokens.get(refresh_token);
    if (!token || token.session.ended) return send(401, error(401, "RefreshTokenInvalid"));
    const { used, session } = token;
    if (used) {
      const isRepeated = used.key === key && !this.#refreshTokens.get(used.next)?.used;
      if (isRepeated) return send(200, this.#respond(session, used.next));
      this.end(session.username);
      return send(401, error(401, "RefreshTokenReused"));
    }
    token.used = { key, next: randomUUID() };
    send(200, this.#respond(session, token.used.next));
  }
}
