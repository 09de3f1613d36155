import { isSubjectType, type SubjectType } from "./access-token.ts";

/** An issuer of access tokens that is not this deployment's `auth`. */
export interface TrustedIssuer {
  /** Its name, to the letter as its tokens have it in `iss`. */
  readonly issuer: string;
  /** Where its keys are (RFC 7517). */
  readonly jwksUri: string;
  /** What it calls us in `aud`. */
  readonly audience: string;
  /** The request header that its tokens come in besides `Authorization`, in lower case. */
  readonly header?: string;
  /** Which of its roles stand for which of ours; without it its users have none. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  /** The claim with its roles: a name, or a path of names such as `/realm_access/roles`. */
  readonly rolesClaim?: string;
  /** What kind of subject its users are here. */
  readonly subjectType?: SubjectType;
}

interface Surroundings {
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
 * @param problems gets what is wrong, a line for each
 */
export function readTrustedIssuers(
  json: string | undefined,
  surroundings: Surroundings,
  problems: string[],
): TrustedIssuer[] {
  if (!json) return [];
  const found: string[] = [];
  const entries = parseList(json);
  if (!entries) found.push(`must be a JSON list of ${EXAMPLE}`);
  const names = (entries ?? []).map(({ issuer }) => issuer);
  const headers = (entries ?? []).map(({ header }) => isText(header) && header.toLowerCase());
  for (const [at, entry] of (entries ?? []).entries()) {
    const faults = faultsOf(entry, surroundings);
    if (names.indexOf(entry.issuer) !== at) faults.push("its issuer is listed before");
    if (headers[at] && headers.indexOf(headers[at]) !== at)
      faults.push("its header is another entry's; name one that only this issuer's tokens come in");
    found.push(...faults.map((fault) => `entry ${at + 1}: ${fault}`));
  }
  problems.push(...found.map((problem) => `TRUSTED_ISSUERS ${problem}`));
  if (found.length > 0) return [];
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

function faultsOf(entry: Record<string, unknown>, { production, issuer, roles }: Surroundings) {
  const { issuer: name, jwksUri, audience, header, rolesClaim, subjectType, ...rest } = entry;
  const { roles: mapping = {}, ...unknown } = rest;
  const faults = Object.keys(unknown).map((key) => `'${key}' is no setting`);
  if (!isText(name) || !isText(audience)) faults.push("issuer and audience must be texts");
  if (name === issuer) faults.push("its issuer is our own ISSUER");
  if (!isReachable(jwksUri, production))
    faults.push(
      "jwksUri must be an https URL without a password; http only in development, to this machine",
    );
  if (header !== undefined && !(isText(header) && isHeader(header)))
    faults.push("header must be the name of a header, and not Authorization");
  if (rolesClaim !== undefined && !isText(rolesClaim)) faults.push("rolesClaim must be a text");
  if (subjectType !== undefined && !isSubjectType(subjectType))
    faults.push("subjectType must be one of the kinds of subject");
  if (!isMapping(mapping)) faults.push('roles must be like {"their role": ["our role"]}');
  else
    for (const role of new Set(Object.values(mapping).flat()))
      if (!roles.includes(role)) faults.push(`'${role}' is none of our roles`);
  return faults;
}

const isHeader = (name: string) =>
  /^[a-z][a-z0-9-]*$/i.test(name) && !/^(authorization|cookie|host)$/i.test(name);

const isMapping = (value: unknown): value is Record<string, string[]> =>
  isObject(value) &&
  Object.values(value).every((list) => Array.isArray(list) && list.every(isText));

/** Can keys be had from there so that nobody on the way can change them? */
function isReachable(uri: unknown, production: boolean): boolean {
  if (!isText(uri) || !URL.canParse(uri)) return false;
  const { protocol, hostname, username, password } = new URL(uri);
  if (username !== "" || password !== "") return false;
  return protocol === "https:" || (protocol === "http:" && !production && LOOPBACK.test(hostname));
}
