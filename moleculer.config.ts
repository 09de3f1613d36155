import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BrokerOptions, ServiceBroker } from "moleculer";
import { sealed, serviceGuard } from "moleculer-service-guard";
import { setConfig, setContracts } from "./lib/context/attachment.ts";
import { backUpEmbedded } from "./lib/database/database.ts";
import { type Config, loadConfig } from "./lib/config/config.ts";
import { loadContracts, SERVICES_DIR } from "./lib/contract/load.ts";
import { secretsOf } from "./lib/contract/declarations/declared-secrets.ts";
import { declaredErrors } from "./lib/errors/declared-errors.ts";
import { CitadelError, type ErrorType } from "./lib/errors/errors.ts";
import { loggerOptions, logOutput } from "./lib/logging/logger.ts";
import { redactorOf } from "./lib/logging/redaction.ts";
import { metricsOptions } from "./lib/metrics/prometheus.ts";
import { DECLARATION_KEYS } from "./lib/access/contract-problems.ts";
import { mayReceive, NODE_EVENTS } from "./lib/access/endpoints.ts";
import { grantablePermissions } from "./lib/access/grantable.ts";
import { mustBeSound } from "./lib/access/must-be-sound.ts";
import { accessWarnings } from "./lib/access/warnings.ts";
import { APPLICATION_LIMITS } from "./lib/limits/application-limits.ts";
import { NatsTransporter } from "./lib/nats/transporter.ts";
import { makeSecrets } from "./lib/deployment/secrets.ts";
import { makePrivate } from "./lib/files/private-folder.ts";
import type { Jwks } from "./lib/tokens/key-set.ts";
import type { RevokedSessions } from "./lib/tokens/revocations.ts";
import { validatorOptions } from "./lib/contract/schemas/validator.ts";
import { auditMiddleware, auditRefusal } from "./middlewares/audit.ts";
import { authMiddleware } from "./middlewares/auth/index.ts";
import { directedBroadcast } from "./middlewares/directed-broadcast.ts";
import { ErrorRegenerator, errorsMiddleware } from "./middlewares/errors.ts";
import { metricsMiddleware } from "./middlewares/metrics.ts";
import { transporterStatus } from "./middlewares/transporter-status.ts";
import { commands } from "./repl/commands.ts";
import { permissionsByRole, permissionsOfRoles, ROLE_NAMES } from "./services/users/roles/roles.ts";

const SealedNats = sealed(NatsTransporter);

/**
 * Errors that the circuit breaker ignores, since they are not the callee's: a token whose issuer is unavailable, or
 * anyone who sends such tokens could block an action for all; sign-ins while another service is unavailable; and Moleculer's error for a call whose node or NATS
 * disconnected, which both reconnect at once.
 */
const NOT_THE_CALLEES: ReadonlySet<unknown> = new Set<ErrorType | "REQUEST_REJECTED">([
  "JwksError",
  "IdentityServiceNotAccessible",
  "UserServiceNotAccessible",
  "REQUEST_REJECTED",
]);

/**
 * The options of one node's broker.
 *
 * @param contracts those of the services on all nodes
 * @throws Error that lists each invalid declaration in the contracts
 */
export function brokerOptions(config: Config, contracts = loadContracts()): BrokerOptions {
  const grantable = grantablePermissions(contracts, "role", config);
  const roles = permissionsByRole(grantable);
  mustBeSound(contracts, roles, config);
  const redact = redactorOf(contracts.values());
  const [onlyService, ...otherServices] = config.services;
  const guard = serviceGuard({
    services: [...contracts.keys()],
    service: otherServices.length === 0 ? onlyService : undefined,
    keys: DECLARATION_KEYS,
    // a production process has no REPL
    operator: !config.production,
    ownActions: { auth: "none" },
    credential: (name) => config.secret(name, "auth_token"),
    mayReceive: (event, service) => mayReceive(contracts, event, service),
    onRefusal: (ctx, { target, error, caller }) =>
      auditRefusal(ctx, "service.refused", target, error, caller),
    createError: (type) => new CitadelError(type),
  });
  return {
    namespace: config.namespace,
    nodeID: (!config.natsUrl && config.nodeID) || guard.nodeID,
    ...(config.natsUrl && {
      transporter: new SealedNats({ url: config.natsUrl, reconnectTimeWait: 250 }),
    }),

    logger: {
      type: "Pino",
      options: {
        level: config.logLevel,
        pino: {
          options: loggerOptions(config.logLevel, process.stdout.isTTY ?? false, redact),
          // in development each line is written at once; on a terminal pino-pretty writes
          ...(config.production && !process.stdout.isTTY && { destination: logOutput() }),
        },
      },
    },

    metrics: metricsOptions(config),

    // Moleculer's type lacks this form
    validator: { type: "Fastest", options: validatorOptions() } as object,

    // Moleculer's own ids are predictable, and a response is matched by its id alone
    uidGenerator: () => randomUUID(),
    errorRegenerator: new ErrorRegenerator(declaredErrors(contracts.values())),
    // $node.options would return these options, with the transporter's password
    internalServices: false,

    requestTimeout: 10_000,
    // in seconds; a killed node is removed after one to two times heartbeatTimeout, a node that is busy for less is not
    heartbeatInterval: 2,
    heartbeatTimeout: 8,
    maxCallLevel: APPLICATION_LIMITS.nestedCalls.max,
    // lib/contract/implement.ts enables it for each action that changes nothing
    retryPolicy: {
      enabled: false,
      retries: 2,
      delay: 100,
      maxDelay: 1_000,
      factor: 2,
      // a timeout has used up the caller's time, and an issuer is not asked again for some seconds
      check: (error) => {
        const { retryable, code, type } = error as Partial<CitadelError>;
        return retryable === true && code !== 504 && type !== "JwksError";
      },
    },
    circuitBreaker: {
      enabled: true,
      threshold: 0.5,
      minRequestCount: 20,
      windowTime: 30,
      halfOpenTime: 5_000,
      check: (error) => {
        const { code = 0, type } = (error as Partial<CitadelError> | undefined) ?? {};
        return code >= 500 && !NOT_THE_CALLEES.has(type);
      },
    },
    bulkhead: {
      enabled: true,
      concurrency: APPLICATION_LIMITS.runningActions.max,
      maxQueueSize: APPLICATION_LIMITS.waitingActions.max,
    },
    // how soon a started or stopped service is announced, in milliseconds; Moleculer's type lacks it
    transit: { serviceChangedDebounceTime: 100 } as object,
    tracking: { enabled: true, shutdownTimeout: 10_000 },
    dependencyInterval: 50,

    internalMiddlewares: false,
    // from the innermost to the outermost: the last one sees a call first
    middlewares: [
      directedBroadcast as never,
      "ActionHook",
      "Validator",
      errorsMiddleware as never,
      "Bulkhead",
      "Cacher",
      "CircuitBreaker",
      "Timeout",
      "Retry",
      // outside Timeout: inside it, a call that times out would be tracked for ever
      "ContextTracker",
      "Fallback",
      "Debounce",
      "Throttle",
      // outside Validator and Cacher: a refused caller gets neither a cached result nor a validation error
      authMiddleware({
        rules: { ...config, permissionsOf: (names) => permissionsOfRoles(names, grantable) },
        fetchKeys: (broker) => broker.call<Jwks, object>("auth.jwks", {}),
        fetchRevocations: (broker) => broker.call<RevokedSessions, object>("auth.revocations", {}),
        revocationAccess: NODE_EVENTS["sessions.revoked"],
        onRefusal: (ctx, { target, error }) => auditRefusal(ctx, "user.refused", target, error),
      }) as never,
      auditMiddleware(contracts, redact) as never,
      transporterStatus as never,
      guard,
      "ErrorHandler",
      "Tracing",
      metricsMiddleware as never,
    ],

    created(broker: ServiceBroker) {
      const names = broker.middlewares.list.map(({ name }) => name);
      for (const name of ["ServiceGuard", "Audit", "Auth"])
        if (!names.includes(name)) throw new Error(`The middleware ${name} is missing.`);
      setConfig(broker, config);
      setContracts(broker, contracts);
      for (const warning of accessWarnings(contracts, roles, config)) broker.logger.warn(warning);
      for (const { issuer, audience } of config.trustedIssuers)
        if (audience === null)
          broker.logger.warn(
            { issuer },
            "Tokens of a trusted issuer are accepted whatever their audience.",
          );
      joinStops(broker);
    },

    replOptions: { delimiter: "citadel $", customCommands: commands as never },
  };
}

/** Ctrl-C, SIGTERM and the REPL's `exit` may arrive together. Then all of them wait for one stop. */
function joinStops(broker: ServiceBroker): void {
  const stop = broker.stop.bind(broker);
  let stopping: Promise<void> | undefined;
  broker.stop = () => (stopping ??= stop().finally(() => (stopping = undefined)));
}

/** The time from the start to the backup of the embedded database, in milliseconds, so that it does not slow the start. */
const BACKUP_DELAY = 5_000;

function backUpLater(broker: ServiceBroker, dataDir: string): void {
  setTimeout(() => {
    backUpEmbedded(dataDir).catch((error: unknown) =>
      broker.logger.warn({ err: error }, "The embedded database could not be backed up."),
    );
  }, BACKUP_DELAY).unref();
}

/** The configuration of this process. In development the first start generates its secrets. */
export function configure(env: NodeJS.ProcessEnv = process.env): Config {
  const contracts = loadContracts();
  const config = loadConfig(env, contracts, ROLE_NAMES);
  if (config.production) return config;
  makePrivate(config.dataDir);
  makeSecrets(join(config.dataDir, "secrets"), secretsOf(contracts.values()));
  if (config.admin.password) return config;
  const password = config.secret("users", "admin_password");
  return { ...config, admin: { ...config.admin, password, isGenerated: true } };
}

/** The function that moleculer-runner calls. */
export default function options(): BrokerOptions {
  if (existsSync(".env")) process.loadEnvFile();
  // moleculer-runner looks here for the services that SERVICES names
  process.env.SERVICEDIR ??= SERVICES_DIR;
  // only the owner may read the files in DATA_DIR
  process.umask(0o077);
  const config = configure();
  return {
    ...brokerOptions(config),
    started: (broker: ServiceBroker) => backUpLater(broker, config.dataDir),
  };
}
