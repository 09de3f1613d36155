import { isSubjectType, type SubjectType } from "./access-token.ts";

/** An issuer other than auth whose access tokens are accepted. */
export interface TrustedIssuer {
  /** Its tokens' `iss`, character for character. */
  readonly issuer: string;
  /** The URL of its keys (RFC 7517). */
  readonly jwksUri: string;
  /** Its tokens' `aud`: its name for this API. */
  readonly audience: string;
  /** A request header that may hold its tokens besides `Authorization`, in lower case. */
  readonly header?: string;
  /** Our roles for each of its roles; undefined: its users have no roles. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  /** The claim that holds its roles: a name, or a path such as `/realm_access/roles`. */
  readonly rolesClaim?: string;
  /** The kind of account that its users are here. */
  readonly subjectType?: SubjectType;
}

/** The settings that an entry is checked against. */
interface Deployment {
  production: boolean;
  /** Our own issuer. */
  issuer: string;
  /** Our own roles. */
  roles: readonly string[];
}

const EXAMPLE = '{"issuer","jwksUri","audience"}';
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

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
    return Array.isArray(list) && list.every(isObject) ? list : undefined;
  } catch {
    return undefined;
  }
}

function problemsOf(entry: Record<string, unknown>, { production, issuer, roles }: Deployment) {
  const { issuer: name, jwksUri, audience, header, rolesClaim, subjectType, ...rest } = entry;
  const { roles: mapping = {}, ...unknown } = rest;
  const problems = Object.keys(unknown).map((key) => `'${key}' is not a known key`);
  if (!isText(name) || !isText(audience)) problems.push("issuer and audience must be strings");
  if (name === issuer) problems.push("its issuer is our own ISSUER");
  if (!isSafeSource(jwksUri, production))
    problems.push(
      "jwksUri must be an https URL without a password; http is allowed only in development, to this machine",
    );
  if (header !== undefined && !(isText(header) && isHeader(header)))
    problems.push("header must be the name of a header other than Authorization, Cookie and Host");
  if (rolesClaim !== undefined && !isText(rolesClaim)) problems.push("rolesClaim must be a string");
  if (subjectType !== undefined && !isSubjectType(subjectType))
    problems.push("subjectType must be one of the subject types in docs/tokens.md");
  if (!isMapping(mapping)) problems.push('roles must be like {"their role": ["our role"]}');
  else
    for (const role of new Set(Object.values(mapping).flat()))
      if (!roles.includes(role)) problems.push(`'${role}' is not one of our roles`);
  return problems;
}

const isHeader = (name: string) =>
  /^[a-z][a-z0-9-]*$/i.test(name) && !/^(authorization|cookie|host)$/i.test(name);

const isMapping = (value: unknown): value is Record<string, string[]> =>
  isObject(value) &&
  Object.values(value).every((list) => Array.isArray(list) && list.every(isText));

/** Whether keys from this URL cannot be altered on the way: TLS, or loopback in development. */
function isSafeSource(uri: unknown, production: boolean): boolean {
  if (!isText(uri) || !URL.canParse(uri)) return false;
  const { protocol, hostname, username, password } = new URL(uri);
  if (username !== "" || password !== "") return false;
  return protocol === "https:" || (protocol === "http:" && !production && LOOPBACK.test(hostname));
}
