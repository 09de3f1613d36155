import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BrokerOptions, ServiceBroker } from "moleculer";
import { sealed, serviceGuard } from "moleculer-service-guard";
import { setConfig } from "./lib/context/attachment.ts";
import { backUpEmbedded } from "./lib/database/database.ts";
import { type Config, loadConfig } from "./lib/config/config.ts";
import { loadContracts, permissionsOf, serviceNames, SERVICES_DIR } from "./lib/contract/load.ts";
import { CitadelError, type ErrorType } from "./lib/errors/errors.ts";
import { loggerOptions } from "./lib/logging/logger.ts";
import { DECLARATION_KEYS } from "./lib/access/contract-problems.ts";
import { mayReceive } from "./lib/access/endpoints.ts";
import { mustBeSound } from "./lib/access/must-be-sound.ts";
import { accessWarnings } from "./lib/access/warnings.ts";
import { NatsTransporter } from "./lib/nats/transporter.ts";
import { makeSecrets } from "./lib/deployment/secrets.ts";
import { makePrivate } from "./lib/files/private-folder.ts";
import { validatorOptions } from "./lib/contract/validator.ts";
import { auditMiddleware, auditRefusal } from "./middlewares/audit.ts";
import { authMiddleware } from "./middlewares/auth/index.ts";
import { ErrorRegenerator, errorsMiddleware } from "./middlewares/errors.ts";
import { transporterStatus } from "./middlewares/transporter-status.ts";
import { commands } from "./repl/commands.ts";
import { permissionsByRole, permissionsOfRoles, ROLE_NAMES } from "./services/users/roles.ts";

const SealedNats = sealed(NatsTransporter);

/**
 * What says nothing about the callee: a token that could not be checked, since whoever sends such tokens
 * must not be able to shut an action for everybody; and a call that was given up since NATS or the node
 * went away (Moleculer's own type), since both come back at once.
 */
const OF_OTHERS: ReadonlySet<unknown> = new Set<ErrorType | "REQUEST_REJECTED">([
  "JwksError",
  "IdentityServiceNotAccessible",
  "REQUEST_REJECTED",
]);

/**
 * The broker of one node.
 *
 * @throws Error that names each declaration in the contracts which is unknown or cannot be
 */
export function brokerOptions(config: Config): BrokerOptions {
  const contracts = loadContracts();
  const allPermissions = permissionsOf(contracts);
  const roles = permissionsByRole(allPermissions);
  mustBeSound(contracts, roles);
  const [onlyService, ...otherServices] = config.services;
  const guard = serviceGuard({
    services: serviceNames(),
    service: otherServices.length === 0 ? onlyService : undefined,
    keys: DECLARATION_KEYS,
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
        pino: { options: loggerOptions(config.logLevel, process.stdout.isTTY ?? false) },
      },
    },

    // Moleculer's types do not know the form with options
    validator: { type: "Fastest", options: validatorOptions() } as object,

    // Moleculer's own ids can be predicted, and a response is matched on the id alone
    uidGenerator: () => randomUUID(),
    errorRegenerator: new ErrorRegenerator(),
    // $node would hand out these options, with the transporter's password
    internalServices: false,

    requestTimeout: 10_000,
    // in seconds; a node that was killed is noticed after one to two times the latter, as often as it is
    // looked after. One that is busy for less is not taken for killed.
    heartbeatInterval: 2,
    heartbeatTimeout: 8,
    maxCallLevel: 20,
    // off here, on for each action that changes nothing (lib/contract/implement.ts)
    retryPolicy: {
      enabled: false,
      retries: 2,
      delay: 100,
      maxDelay: 1_000,
      factor: 2,
      // not after a timeout: the caller has waited long enough; nor while an issuer is left alone
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
        return code >= 500 && !OF_OTHERS.has(type);
      },
    },
    bulkhead: { enabled: true, concurrency: 200, maxQueueSize: 2_000 },
    // how soon other nodes learn of a service that starts or stops, in milliseconds
    transit: { serviceChangedDebounceTime: 100 } as object,
    tracking: { enabled: true, shutdownTimeout: 10_000 },
    dependencyInterval: 50,

    internalMiddlewares: false,
    // from the innermost to the outermost: what stands further down runs earlier
    middlewares: [
      "ActionHook",
      "Validator",
      errorsMiddleware as never,
      "Bulkhead",
      "Cacher",
      "CircuitBreaker",
      "Timeout",
      "Retry",
      // outside Timeout: what is given up there is never settled further in, and would be waited for
      "ContextTracker",
      "Fallback",
      "Debounce",
      "Throttle",
      // neither a cached answer nor a validation message reaches somebody who may not ask
      authMiddleware({
        ...config,
        permissionsOf: (names) => permissionsOfRoles(names, allPermissions),
      }) as never,
      auditMiddleware(serviceNames()) as never,
      transporterStatus as never,
      guard,
      "ErrorHandler",
      "Tracing",
      "Metrics",
    ],

    created(broker: ServiceBroker) {
      const names = broker.middlewares.list.map(({ name }) => name);
      for (const name of ["ServiceGuard", "Audit", "Auth"])
        if (!names.includes(name)) throw new Error(`The middleware ${name} is missing.`);
      setConfig(broker, config);
      for (const warning of accessWarnings(contracts, roles)) broker.logger.warn(warning);
      joinStops(broker);
    },

    replOptions: { delimiter: "citadel $", customCommands: commands as never },
  };
}

/** Ctrl-C, SIGTERM and the REPL's `exit` may come together: they are one stop, whose end all of them wait for. */
function joinStops(broker: ServiceBroker): void {
  const stop = broker.stop.bind(broker);
  let stopping: Promise<void> | undefined;
  broker.stop = () => (stopping ??= stop().finally(() => (stopping = undefined)));
}

/** How long after a good start the embedded database is backed up: nobody waits for the start any more, in ms. */
const BACKUP_DELAY = 5_000;

function backUpLater(broker: ServiceBroker, dataDir: string): void {
  setTimeout(() => {
    backUpEmbedded(dataDir).catch((error: unknown) =>
      broker.logger.warn("The embedded database could not be backed up.", error),
    );
  }, BACKUP_DELAY).unref();
}

/** The configuration of this process; in development its secrets are made on the first start. */
export function configure(env: NodeJS.ProcessEnv = process.env): Config {
  const services = serviceNames();
  const config = loadConfig(env, services, ROLE_NAMES);
  if (config.production) return config;
  makePrivate(config.dataDir);
  makeSecrets(join(config.dataDir, "secrets"), services);
  if (config.admin.password) return config;
  const password = config.secret("users", "admin_password");
  return { ...config, admin: { ...config.admin, password, isMadeUp: true } };
}

/** What moleculer-runner asks for. */
export default function options(): BrokerOptions {
  if (existsSync(".env")) process.loadEnvFile();
  // where the runner looks for what SERVICES names
  process.env.SERVICEDIR ??= SERVICES_DIR;
  // whatever is written into DATA_DIR is for its owner
  process.umask(0o077);
  const config = configure();
  return {
    ...brokerOptions(config),
    started: (broker: ServiceBroker) => backUpLater(broker, config.dataDir),
  };
}
