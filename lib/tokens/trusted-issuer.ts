import { isSubjectType, type SubjectType } from "./subject-type.ts";
import { OPTIONAL_CLAIMS, type OptionalClaim } from "./optional-claims.ts";
import { isSafeSource } from "./source-url.ts";

/** An issuer other than auth whose access tokens are accepted. */
export interface TrustedIssuer {
  /** Its tokens' `iss`, character for character. */
  readonly issuer: string;
  /** The URL of its keys (RFC 7517); undefined: its metadata names it. */
  readonly jwksUri?: string;
  /** Its tokens' `aud`: its name for this API. Null: any. */
  readonly audience: string | null;
  /** A request header that may hold its tokens besides `Authorization`, in lower case. */
  readonly header?: string;
  /** Our roles for each of its roles; undefined: its users have no roles. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  /** The claim that holds its roles: a name, or a path such as `/realm_access/roles`. */
  readonly rolesClaim?: string;
  /** The claims that hold our optional claims: names, or paths such as `/profile/name`. */
  readonly claimNames?: Readonly<Partial<Record<OptionalClaim, string>>>;
  /** The kind of account that its users are here. */
  readonly subjectType?: SubjectType;
  /** Claims that its tokens must have, and their values. */
  readonly claims?: Readonly<Record<string, string>>;
  /** The tenant of its users; undefined: this deployment's. */
  readonly tenantId?: string;
  /** The environment of its users; undefined: this deployment's. */
  readonly environmentId?: string;
}

/** The settings that an entry is checked against. */
interface Deployment {
  production: boolean;
  /** Our own issuer. */
  issuer: string;
  /** Our own roles. */
  roles: readonly string[];
}

const EXAMPLE = '{"issuer","audience"}';
const OPTIONAL_TEXTS = ["rolesClaim", "tenantId", "environmentId"] as const;

const KEYS: ReadonlySet<string> = new Set([
  "issuer",
  "jwksUri",
  "audience",
  "header",
  "roles",
  "subjectType",
  "claims",
  "claimNames",
  ...OPTIONAL_TEXTS,
]);

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads TRUSTED_ISSUERS.
 *
 * @param problems receives one line for each invalid setting
 * @returns an empty list if anything is invalid
 */
export function readTrustedIssuers(
  json: string | undefined,
  deployment: Deployment,
  problems: string[],
): TrustedIssuer[] {
  if (!json) return [];
  const found: string[] = [];
  const entries = parseList(json);
  if (!entries) found.push(`must be a JSON list of ${EXAMPLE}`);
  const names = (entries ?? []).map(({ issuer }) => issuer);
  const headers = (entries ?? []).map(({ header }) => isText(header) && header.toLowerCase());
  for (const [at, entry] of (entries ?? []).entries()) {
    const ofEntry = problemsOf(entry, deployment);
    if (names.indexOf(entry.issuer) !== at) ofEntry.push("its issuer is already listed");
    if (headers[at] && headers.indexOf(headers[at]) !== at)
      ofEntry.push("its header is another entry's; use one that only this issuer's tokens come in");
    found.push(...ofEntry.map((problem) => `entry ${at + 1}: ${problem}`));
  }
  problems.push(...found.map((problem) => `TRUSTED_ISSUERS ${problem}`));
  if (found.length > 0) return [];
  // problemsOf has checked the type of every key
  return (entries as unknown as TrustedIssuer[]).map((entry) => ({
    ...entry,
    ...(entry.header !== undefined && { header: entry.header.toLowerCase() }),
  }));
}

function parseList(json: string): Record<string, unknown>[] | undefined {
  try {
    const list: unknown = JSON.parse(json);
    if (!Array.isArray(list)) return undefined;
    // a string is the issuer; the audience must still be given, which the error says
    const entries = list.map((one: unknown) => (isText(one) ? { issuer: one } : one));
    return entries.every(isObject) ? entries : undefined;
  } catch {
    return undefined;
  }
}

function problemsOf(entry: Record<string, unknown>, { production, issuer, roles }: Deployment) {
  const { issuer: name, jwksUri, audience, header, subjectType } = entry;
  const { roles: mapping = {}, claims = {}, claimNames = {} } = entry;
  const problems = Object.keys(entry)
    .filter((key) => !KEYS.has(key))
    .map((key) => `'${key}' is not a known key`);
  if (!isText(name)) problems.push("issuer must be a string");
  if (audience === undefined)
    problems.push(
      "audience is missing; write the issuer's name for this API, or null to accept tokens for every audience",
    );
  else if (audience !== null && !isText(audience))
    problems.push("audience must be a string or null");
  if (name === issuer) problems.push("its issuer is our own ISSUER");
  if (jwksUri === undefined && !(isSafeSource(name, !production) && !/[?#]/.test(name)))
    problems.push(
      "issuer must be an https URL without a password, query or fragment if jwksUri is left out; http is allowed only in development, to this machine",
    );
  if (jwksUri !== undefined && !isSafeSource(jwksUri, !production))
    problems.push(
      "jwksUri must be an https URL without a password; http is allowed only in development, to this machine",
    );
  if (header !== undefined && !(isText(header) && isHeader(header)))
    problems.push("header must be the name of a header other than Authorization, Cookie and Host");
  for (const key of OPTIONAL_TEXTS)
    if (entry[key] !== undefined && !isText(entry[key])) problems.push(`${key} must be a string`);
  if (subjectType !== undefined && !isSubjectType(subjectType))
    problems.push("subjectType must be one of the subject types in docs/tokens.md");
  if (!isObject(claims) || !Object.values(claims).every(isText))
    problems.push('claims must be like {"claim": "its value"}');
  problems.push(...problemsOfClaimNames(claimNames));
  if (!isMapping(mapping)) problems.push('roles must be like {"their role": ["our role"]}');
  else
    for (const role of new Set(Object.values(mapping).flat()))
      if (!roles.includes(role)) problems.push(`'${role}' is not one of our roles`);
  return problems;
}

function problemsOfClaimNames(claimNames: unknown): string[] {
  if (!isObject(claimNames) || !Object.values(claimNames).every(isText))
    return ['claimNames must be like {"name": "/their/claim"}'];
  return Object.keys(claimNames)
    .filter((name) => !(OPTIONAL_CLAIMS as readonly string[]).includes(name))
    .map((name) => `claimNames: '${name}' is none of ${OPTIONAL_CLAIMS.join(", ")}`);
}

const isHeader = (name: string) =>
  /^[a-z][a-z0-9-]*$/i.test(name) && !/^(authorization|cookie|host)$/i.test(name);

const isMapping = (value: unknown): value is Record<string, string[]> =>
  isObject(value) &&
  Object.values(value).every((list) => Array.isArray(list) && list.every(isText));
