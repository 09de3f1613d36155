import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { Service } from "moleculer";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { compressResponse } from "./compression.ts";
import { type Defence, makeHttpDefence, MAX_PENDING } from "../limits/admission.ts";
import { type GatewayRequest, type GatewayResponse, httpGateway } from "../gateways.ts";
import { makeServer } from "./server.ts";
import { textOf } from "./response-text.ts";
import { WorkLimits } from "../limits/concurrency.ts";
import { pathOf } from "./params.ts";

/** Which method of HTTP may ask what, before any route runs (RFC 9110, 9.3; the Fetch standard's CORS). */

/** moleculer-web's form of a route. */
interface Alias {
  method: string;
  isMethod(method: string): boolean;
  /** The action behind it; null where a handler of the gateway's own responds. */
  readonly action: string | null;
  /** The path's parameters; false where the path is another. */
  match(path: string): Record<string, string> | false;
}

type Gateway = Service & {
  aliases: Alias[];
  server?: Server;
  httpHandler: RequestListener;
  errorHandler(req: GatewayRequest, res: GatewayResponse, error: unknown): void;
};

/** What pages of other origins may send. */
const ALLOWED_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Correlation-ID, X-Request-ID";

/** Of what is worked on at once, one address may have a part only; and 32 MB of responses that it has not read. */
const WORK_BOUNDS = { total: 1_000, address: 64, waiting: MAX_PENDING, unread: 32_000_000 };

/** moleculer-web's own methods, which those below end in. */
const { httpHandler: handle, aliasHandler: handleAlias } = httpGateway.methods as {
  httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void>;
  aliasHandler(
    this: Gateway,
    req: GatewayRequest,
    res: GatewayResponse,
    alias: Alias,
  ): Promise<unknown>;
};

/** What `Allow` says of a path; undefined: there is nothing. */
function allowedAt(aliases: readonly Alias[], path: string): string | undefined {
  const methods = aliases.filter((alias) => alias.match(path)).map(({ method }) => method);
  if (methods.length === 0) return undefined;
  const heads = methods.includes("GET") ? ["HEAD"] : [];
  return [...new Set([...methods, ...heads, "OPTIONS"])].join(", ");
}

/** Answers OPTIONS. It runs nothing, whatever the request claims that will follow. */
function answerOptions(gateway: Gateway, req: GatewayRequest, res: GatewayResponse): void {
  try {
    const allowed = allowedAt(gateway.aliases, pathOf(req));
    if (!allowed) throw new CitadelError("NotFound");
    res.setHeader("Allow", allowed);
    if (res.hasHeader("Access-Control-Allow-Origin")) {
      res.setHeader("Access-Control-Allow-Methods", allowed);
      res.setHeader("Access-Control-Allow-Headers", ALLOWED_HEADERS);
      res.setHeader("Access-Control-Max-Age", "600");
    }
    res.writeHead(204).end();
  } catch (error) {
    gateway.errorHandler(req, res, error);
  }
}

/** What pages elsewhere may read of an answer's headers. */
const EXPOSED = [
  "ETag",
  "Location",
  "Retry-After",
  "RateLimit-Limit",
  "RateLimit-Policy",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "WWW-Authenticate",
  "X-Request-ID",
].join(", ");

/** The methods that only ask; a condition on what they ask for means 304 (RFC 9110, 13.1.2). */
const SAFE: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

/**
 * moleculer-web's own, replaced.
 *
 * @param config names the origins whose pages may read our answers
 * @param defend what every request meets first, whatever protocol follows
 */
export const requestMethods = (config: Config, defend: Defence) => {
  const { corsOrigins } = config;
  const defendHttp = makeHttpDefence(config, defend);
  const limits = new WorkLimits(WORK_BOUNDS);
  const keyOf = (req: IncomingMessage) => widestKeyOf(config.trustedProxies.addressOf(req));
  return {
    createServer(this: Gateway): void {
      this.server ??= makeServer(this.httpHandler, config);
    },

    async httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void> {
      res.setHeader("X-Request-ID", randomUUID());
      const { origin } = req.headers;
      if (corsOrigins.length > 0) res.setHeader("Vary", "Origin");
      if (origin !== undefined && corsOrigins.includes(origin)) {
        res.setHeader("Access-Control-Allow-Origin", origin);
        res.setHeader("Access-Control-Expose-Headers", EXPOSED);
      }
      // moleculer-web would answer 304 to a write that it has run
      if (!SAFE.has(req.method)) delete req.headers["if-none-match"];
      // it speaks to caches on the way; moleculer-web would answer 200 to who has the same (RFC 9110, 13.1.2)
      delete req.headers["cache-control"];
      try {
        await defendHttp(req, res);
      } catch (error) {
        return this.errorHandler(req, res, error);
      }
      // moleculer-web would run the action of the method that OPTIONS asks about
      if (req.method === "OPTIONS") return answerOptions(this, req, res);
      return handle.call(this, req, res);
    },

    /** Runs once the body has been read. What calls no action is ready to send, and needs no limit. */
    aliasHandler(
      this: Gateway,
      req: GatewayRequest,
      res: GatewayResponse,
      alias: Alias,
    ): Promise<unknown> {
      if (alias.action === null) return handleAlias.call(this, req, res, alias);
      compressResponse(req, res);
      return limits.run(keyOf(req), res, () => handleAlias.call(this, req, res, alias));
    },

    encodeResponse(req: GatewayRequest, res: GatewayResponse, data: unknown): string {
      const body = textOf(data);
      limits.addUnread(keyOf(req), res, body.length);
      return body;
    },

    /** HEAD is GET, without a body; a path that is there says what it allows. */
    resolveAlias(this: Gateway, path: string, method: string) {
      const wanted = method === "HEAD" ? "GET" : method;
      for (const alias of this.aliases) {
        const params = alias.isMethod(wanted) && alias.match(path);
        if (params) return { alias, params };
      }
      const allowed = allowedAt(this.aliases, path);
      if (allowed) throw new CitadelError("MethodNotAllowed", { data: { allowed } });
      return false;
    },
  };
};
