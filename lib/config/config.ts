import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ServiceContract } from "../contract/contract.ts";
import { hasDatabase } from "../contract/load.ts";
import { secretsOf } from "../contract/declarations/declared-secrets.ts";
import { MAX_LIFETIME } from "../tokens/access-token.ts";
import type { Algorithm } from "../tokens/jwt.ts";
import { type GuardRules, readGuardedRoutes } from "./guarded-routes.ts";
import { readNamespace } from "./namespace.ts";
import { APPLICATION_LIMITS } from "../limits/application-limits.ts";
import { type RateLimits, type RateLimitSetting, readRateLimit } from "../limits/rate-limit.ts";
import { secretProblems, type SecretReader, secretReader } from "./secrets.ts";
import { readTrustedIssuers, type TrustedIssuer } from "../tokens/trusted-issuer.ts";
import { readTrustedProxies, type TrustedProxies } from "../network/trusted-proxies.ts";

/** pino's levels; the first is the default. */
const LOG_LEVELS = ["info", "trace", "debug", "warn", "error", "fatal", "silent"] as const;

/** The application's configuration, read once from the environment. */
export interface Config {
  readonly production: boolean;
  /** Whether a node refuses to start if an action that needs a user does not decide about its permission. */
  readonly strictPermissions: boolean;
  /** The address on which HTTP and sockets listen. */
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly namespace: string;
  /** The node id, without NATS. On NATS the node id is derived from the key of the process. */
  readonly nodeID: string | undefined;
  readonly natsUrl: string | undefined;
  readonly databaseUrl: string | undefined;
  /** The `iss` and `aud` of the access tokens that this deployment issues. */
  readonly issuer: string;
  readonly tenantId: string;
  readonly environmentId: string;
  /** The algorithm that signs access tokens. */
  readonly accessTokenAlg: Algorithm;
  /** Do access tokens have the user's verified e-mail address? */
  readonly accessTokenEmail: boolean;
  /** Other issuers whose access tokens are accepted. */
  readonly trustedIssuers: readonly TrustedIssuer[];
  /** The web client, to which links in mails lead. */
  readonly webUrl: string;
  /** The mail server. Without one, mails are written into `dataDir`. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  /** Lifetimes in seconds. */
  readonly accessTokenTtl: number;
  readonly refreshTokenTtl: number;
  readonly serviceIdentityTtl: number;
  /** The age at which the key that signs access tokens is replaced, in seconds. */
  readonly signingKeyMaxAge: number;
  /** For how long a refresh may be repeated whose response was lost, in seconds; 0: it may not. */
  readonly refreshGrace: number;
  /** The bcrypt cost of new hashes; undefined: the highest one that meets `bcryptTarget`. */
  readonly bcryptCost: number | undefined;
  /** The longest time that a password hash may take, in milliseconds. */
  readonly bcryptTarget: number;
  /** Other origins whose pages may connect and read responses. */
  readonly corsOrigins: readonly string[];
  /** Whether `/graphql` exists. */
  readonly graphql: boolean;
  /** The proxies whose headers name the client's address and protocol. */
  readonly trustedProxies: TrustedProxies;
  /** Who may use the gateway's own routes; one without a rule is open to every client. */
  readonly guardedRoutes: GuardRules;
  readonly rateLimits: RateLimits;
  /** The most sockets that one gateway holds open for an address and for a user. */
  readonly maxSockets: { readonly address: number; readonly user: number };
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** The port on which metrics are served; undefined: none. */
  readonly metricsPort: number | undefined;
  /** The services that this process runs. */
  readonly services: readonly string[];
  readonly secret: SecretReader;
  /** The first administrator. Without a password none is created. */
  readonly admin: {
    readonly username: string;
    readonly email: string;
    readonly password: string | undefined;
    /** Development generated the password, and prints it. */
    readonly isGenerated: boolean;
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names all settings that are wrong or missing. @internal */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(problems: readonly string[]) {
    super(
      `The configuration is not complete:\n${[...new Set(problems)].map((p) => `  - ${p}`).join("\n")}\n` +
        "Set these in the environment or in .env. .env.example lists the settings; " +
        "'npm run credentials -- <folder>' makes the secrets.",
    );
  }
}

const isWebUrl = (value: string) => /^https?:\/\//i.test(value) && URL.canParse(value);

/**
 * Reads the configuration of a process.
 *
 * @param env the environment; any secret `X` may come as `X_FILE`
 * @param contracts every service of the application, with its secrets
 * @param roles every role of the application, for `TRUSTED_ISSUERS`
 * @throws ConfigError that names all settings that are wrong or missing
 */
export function loadConfig(
  env: Environment,
  contracts: ReadonlyMap<string, ServiceContract>,
  roles: readonly string[] = [],
): Config {
  const known = [...contracts.keys()];
  const problems: string[] = [];
  const production = env.NODE_ENV === "production";
  const dataDir = resolve(env.DATA_DIR || ".data");

  const text = (name: string) => {
    const file = env[`${name}_FILE`];
    if (!file) return env[name]?.trim() || undefined;
    try {
      return readFileSync(file, "utf8").trim() || undefined;
    } catch {
      problems.push(`${name}_FILE names a file that cannot be read: ${file}`);
      return undefined;
    }
  };

  const integer = (name: string, fallback: number, min: number, max: number) => {
    const value = env[name] === undefined || env[name] === "" ? fallback : Number(env[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${name} must be a whole number from ${min} to ${max}`);
    return fallback;
  };

  /** The first value is the default. */
  const oneOf = <const V extends string>(name: string, values: readonly [V, ...V[]]): V => {
    const given = (env[name]?.trim() || values[0]).toLowerCase();
    const value = values.find((one) => one.toLowerCase() === given);
    if (value === undefined) problems.push(`${name} must be one of ${values.join(", ")}`);
    return value ?? values[0];
  };

  const readWebUrl = (name: string, fallback: string) => {
    const value = env[name]?.trim() || fallback;
    if (isWebUrl(value)) return value;
    problems.push(`${name} must be a URL that begins with http:// or https://`);
    return fallback;
  };

  const list = (name: string) =>
    (env[name] ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean);

  const origins = (name: string) => {
    const given = list(name);
    for (const one of given.filter((item) => !isWebUrl(item) || new URL(item).origin !== item)) {
      const instead = isWebUrl(one) ? new URL(one).origin : "origins like https://app.example.com";
      problems.push(`${name}: '${one}' is no origin as browsers send it; write ${instead}`);
    }
    return given;
  };

  const rateLimit = ({ setting, max, seconds }: RateLimitSetting) =>
    readRateLimit(setting, env[setting] || `${max}/${seconds}`, production, problems);

  const bound = ({ setting, max }: { setting: string; max: number }) =>
    integer(setting, max, 1, 1_000_000);

  const declared = secretsOf(contracts.values());
  const secret = secretReader(declared, text, production ? undefined : join(dataDir, "secrets"));

  const services = list("SERVICES");
  for (const name of services.filter((service) => !known.includes(service)))
    problems.push(`SERVICES names '${name}', which is none of ${known.join(", ")}`);

  const natsUrl = text("NATS_URL");
  const databaseUrl = text("DATABASE_URL");
  const running = services.length > 0 ? services : known;
  if (natsUrl && !databaseUrl && running.length < known.length && running.some(hasDatabase))
    problems.push(
      "DATABASE_URL is needed when services run in several processes: only one process can open the embedded database",
    );

  if (production) {
    const own = declared.filter(({ service }) => running.includes(service));
    problems.push(...secretProblems(own, secret));
  }

  const port = integer("PORT", 3000, 0, 65_535);
  const adminPassword = text("ADMIN_PASSWORD");
  if (production && adminPassword && adminPassword.length < 12)
    problems.push("ADMIN_PASSWORD is shorter than 12 characters");

  const smtpUrl = text("SMTP_URL");
  if (smtpUrl && !(/^smtps?:/i.test(smtpUrl) && URL.canParse(smtpUrl)))
    problems.push("SMTP_URL must be a URL that begins with smtp:// or smtps://");

  // PORT=0 is unknown until the server listens, and production is reached through a proxy
  const ownPort = production || port === 0 ? 3000 : port;
  const issuer = readWebUrl("ISSUER", `http://localhost:${ownPort}`);
  // RFC 8414, 2 and 3: clients derive the URL of the metadata from it, and the API is at the root
  if (![new URL(issuer).origin, `${new URL(issuer).origin}/`].includes(issuer))
    problems.push(`ISSUER must be an origin, without a path or query: ${new URL(issuer).origin}`);
  const config: Config = {
    production,
    strictPermissions: oneOf("STRICT_PERMISSIONS", ["true", "false"]) === "true",
    host: env.HOST || (production ? "0.0.0.0" : "127.0.0.1"),
    port,
    dataDir,
    namespace: readNamespace(env, problems),
    nodeID: env.NODE_ID || undefined,
    natsUrl,
    databaseUrl,
    issuer,
    tenantId: env.TENANT_ID || "default",
    environmentId: env.ENVIRONMENT_ID || (production ? "production" : "development"),
    accessTokenAlg: oneOf("ACCESS_TOKEN_ALG", ["RS256", "ES256"]),
    accessTokenEmail: oneOf("ACCESS_TOKEN_EMAIL", ["false", "true"]) === "true",
    trustedIssuers: readTrustedIssuers(
      text("TRUSTED_ISSUERS"),
      { production, issuer, roles },
      problems,
    ),
    webUrl: readWebUrl("WEB_URL", issuer).replace(/\/$/, ""),
    smtpUrl,
    mailFrom: env.MAIL_FROM || "Citadel <no-reply@localhost.localdomain>",
    accessTokenTtl: integer("ACCESS_TOKEN_TTL", 600, 1, MAX_LIFETIME),
    refreshTokenTtl: integer("REFRESH_TOKEN_TTL", 30 * 86_400, 1, 365 * 86_400),
    serviceIdentityTtl: integer("SERVICE_IDENTITY_TTL", 300, 1, 3_600),
    signingKeyMaxAge: integer("SIGNING_KEY_MAX_AGE", 90 * 86_400, 60, 10 * 365 * 86_400),
    refreshGrace: integer("REFRESH_GRACE", 30, 0, 300),
    bcryptCost: env.BCRYPT_COST ? integer("BCRYPT_COST", 10, production ? 10 : 4, 15) : undefined,
    bcryptTarget: integer("BCRYPT_TARGET_MS", 125, 10, 2_000),
    corsOrigins: origins("CORS_ORIGINS"),
    graphql: oneOf("GRAPHQL", production ? ["false", "true"] : ["true", "false"]) === "true",
    trustedProxies: readTrustedProxies(list("TRUSTED_PROXIES"), problems),
    guardedRoutes: readGuardedRoutes(text("GUARDED_ROUTES"), problems),
    rateLimits: {
      address: rateLimit(APPLICATION_LIMITS.requests),
      user: rateLimit(APPLICATION_LIMITS.userRequests),
      public: rateLimit(APPLICATION_LIMITS.publicWrites),
      socket: rateLimit(APPLICATION_LIMITS.socketEvents),
    },
    maxSockets: {
      address: bound(APPLICATION_LIMITS.socketsOfAddress),
      user: bound(APPLICATION_LIMITS.socketsOfUser),
    },
    logLevel: oneOf("LOG_LEVEL", LOG_LEVELS),
    metricsPort:
      env.METRICS_PORT?.trim() === "off" ? undefined : integer("METRICS_PORT", 3030, 1, 65_535),
    services: running,
    secret,
    admin: {
      username: env.ADMIN_USERNAME || "admin",
      email: env.ADMIN_EMAIL || "admin@localhost.localdomain",
      password: adminPassword,
      isGenerated: false,
    },
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
