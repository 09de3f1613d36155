import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import jwt from "jsonwebtoken";

/** A key as an issuer holds it. */
export interface IssuerKey {
  kid: string;
  key: KeyObject;
  jwk: Record<string, unknown>;
}

/** Makes a key; `members` go over what is published of it. */
export function makeKey(bits = 2048, members: object = {}): IssuerKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  const kid = randomUUID();
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig", ...members };
  return { kid, key: privateKey, jwk };
}

export type Answer = (req: IncomingMessage, res: ServerResponse) => void;

/** Answers with JSON. */
export const json =
  (body: unknown): Answer =>
  (_req, res) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(body));
  };

/** One issuer on the server of all. */
export interface Issuer {
  /** `http://127.0.0.1:…/name` */
  name: string;
  jwksUri: string;
  key: IssuerKey;
  /** How often its keys were asked for. */
  asked: number;
  /** What it answers then; it may change. */
  answer: Answer;
  /** An access token of it; `undefined` takes a claim away. */
  sign(claims?: object, header?: object, key?: KeyObject): string;
}

export interface Issuers {
  url: string;
  /** Every path that was asked for. */
  paths: string[];
  add(name: string, answer?: (key: IssuerKey) => Answer, key?: IssuerKey): Issuer;
  stop(): Promise<void>;
}

export const AUDIENCE = "citadel";

/** A real server on this machine, with as many issuers on it as a test needs. */
export async function startIssuers(): Promise<Issuers> {
  const issuers = new Map<string, Issuer>();
  const paths: string[] = [];
  const server = createServer((req, res) => {
    const path = req.url ?? "/";
    paths.push(path);
    const issuer = issuers.get(path);
    if (issuer) {
      issuer.asked += 1;
      issuer.answer(req, res);
    } else res.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    url,
    paths,
    add(name, answer = ({ jwk }) => json({ keys: [jwk] }), key = makeKey()) {
      const iss = `${url}/${name}`;
      const issuer: Issuer = {
        name: iss,
        jwksUri: `${iss}/keys`,
        key,
        asked: 0,
        answer: answer(key),
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
      issuers.set(`/${name}/keys`, issuer);
      return issuer;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
