import { expect, it } from "vitest";
import { AccessTokenVerifier } from "../../../lib/tokens/access-token-verifier.ts";
import { Revocations } from "../../../lib/tokens/revocations.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";
import { setAuthContext } from "../../../middlewares/auth/authentication-context.ts";
import { signAccessToken } from "../../fixtures/access-token.ts";

const ISSUER = "http://localhost:3000";
const key = readSigningKey(await generateSigningKey("ES256"));

/** The lines that a call with this token leaves in the log, as level and error type. */
async function logOf(token: string | undefined, fetchKeys: () => Promise<{ keys: never[] }>) {
  const lines: [level: string, type: unknown][] = [];
  const line = (level: string) => (fields: { type: unknown }) =>
    void lines.push([level, fields.type]);
  const revocations = new Revocations({ fetch: async () => ({ sessions: [] }) });
  const verifier = new AccessTokenVerifier({
    issuer: ISSUER,
    tenantId: "default",
    environmentId: "development",
    trustedIssuers: [],
    permissionsOf: () => [],
    revocations,
    onOutage: () => {},
    fetchKeys,
  });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const logger = { warn: line("warn"), debug: line("debug") };
  const ctx = { headers, meta: {}, locals: {} };
  await setAuthContext(ctx as never, { target: "notes.greet", verifier, logger: logger as never });
  revocations.stop();
  return lines;
}

it("A call without a subject is logged as a warning only if the issuer is unavailable", async () => {
  const token = signAccessToken({}, key);
  const unavailable = () => Promise.reject(new Error("unreachable"));
  const empty = async () => ({ keys: [] });
  expect(await logOf(token, unavailable)).toEqual([["warn", "IdentityServiceNotAccessible"]]);
  expect(await logOf(token, empty)).toEqual([["debug", "SigningKeyNotFound"]]);
  expect(await logOf("abc", empty)).toEqual([["debug", "AccessTokenVerificationFailed"]]);
  expect(await logOf(undefined, empty)).toEqual([]);
});
