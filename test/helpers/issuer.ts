import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import jwt from "jsonwebtoken";

/** A private key of an issuer, and its published form. */
export interface IssuerKey {
  kid: string;
  key: KeyObject;
  jwk: Record<string, unknown>;
}

/** Generates a key; `members` replace members of its published form. */
export function makeKey(bits = 2048, members: object = {}): IssuerKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const kid = randomUUID();
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig", ...members };
  return { kid, key: privateKey, jwk };
}

export type Respond = (req: IncomingMessage, res: ServerResponse) => void;

/** Responds with JSON. */
export const json =
  (body: unknown): Respond =>
  (_req, res) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(body));
  };

/** One of the issuers on the test's server. */
export interface Issuer {
  /** `http://127.0.0.1:…/name` */
  name: string;
  jwksUri: string;
  key: IssuerKey;
  /** The number of requests for its keys. */
  requests: number;
  /** Responds to requests for its keys; a test may replace it. */
  respond: Respond;
  /** Signs an access token; `undefined` removes a claim. */
  sign(claims?: object, header?: object, key?: KeyObject): string;
}

/** Where an issuer is on the test's server. */
interface Place {
  /** The path of its `iss`. */
  path?: string;
  /** The path of its keys. */
  keys?: string;
}

export interface Issuers {
  url: string;
  /** The path of each request. */
  paths: string[];
  add(name: string, respond?: (key: IssuerKey) => Respond, key?: IssuerKey, place?: Place): Issuer;
  /** Responds to requests for another document than keys. */
  serve(path: string, respond: Respond): void;
  stop(): Promise<void>;
}

export const AUDIENCE = "citadel";

/** Starts an HTTP server on loopback, with as many issuers as a test adds. */
export async function startIssuers(): Promise<Issuers> {
  const issuers = new Map<string, Issuer>();
  const documents = new Map<string, Respond>();
  const paths: string[] = [];
  const server = createServer((req, res) => {
    const path = req.url ?? "/";
    paths.push(path);
    const issuer = issuers.get(path);
    if (issuer) {
      issuer.requests += 1;
      issuer.respond(req, res);
      return;
    }
    const respond = documents.get(path);
    if (respond) respond(req, res);
    else res.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    url,
    paths,
    serve: (path, respond) => void documents.set(path, respond),
    add(name, respond = ({ jwk }) => json({ keys: [jwk] }), key = makeKey(), place = {}) {
      const { path = `/${name}`, keys = `/${name}/keys` } = place;
      const iss = `${url}${path}`;
      const issuer: Issuer = {
        name: iss,
        jwksUri: `${url}${keys}`,
        key,
        requests: 0,
        respond: respond(key),
        sign(claims = {}, header = {}, signingKey = key.key) {
          const now = Math.floor(Date.now() / 1000);
          const payload = {
            iss,
            aud: AUDIENCE,
            sub: "someone",
            iat: now,
            exp: now + 600,
            ...claims,
          };
          return jwt.sign(JSON.stringify(payload), signingKey, {
            algorithm: "RS256",
            allowInsecureKeySizes: true,
            header: { alg: "RS256", typ: "at+jwt", kid: key.kid, ...header },
          });
        },
      };
      issuers.set(keys, issuer);
      return issuer;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
