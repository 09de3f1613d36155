import type { Context, Middleware, ServiceBroker } from "moleculer";
import { KeyRing } from "../bus/key-ring.ts";
import { ANY_SERVICE, nodeIDOf } from "../bus/node-id.ts";
import { GuardError, type GuardErrorType } from "../errors.ts";
import { attachGuardNode } from "../node/attachment.ts";
import { GuardNode } from "../node/guard-node.ts";
import { registerMetrics } from "../node/metrics.ts";
import { credentialVariable } from "../tokens/credential-variable.ts";
import { isSealed } from "../transporter/sealed.ts";
import { AccessDecision, type Refused } from "./access-decision.ts";
import { checkDeclarations } from "./declarations.ts";
import { guardCallsMade } from "./calls-made.ts";
import { eventsSent } from "./events-sent.ts";
import { type Hooks, isInternal, toMiddleware } from "./hooks.ts";
import { placeOutside } from "./middleware-order.ts";
import { nodeService } from "./node-service.ts";
import { Refusals } from "./refusals.ts";
import { showProvedNodes } from "./repl-nodes.ts";

export interface ServiceGuardOptions {
  /** The services that `restricted` may name. `guard` is always one of them. */
  services: readonly string[];
  /** The service that this process runs, for its node id. Default: the one that SERVICES names, if it names one. */
  service?: string | undefined;
  /** Returns the credential of a service of this process. Default: its schema's `authToken`, else <SERVICE>_AUTH_TOKEN. */
  credential?: (service: string) => string | undefined;
  /**
   * The keys that other middlewares read in actions and event handlers. A node with an unknown key does not start.
   */
  keys?: readonly string[];
  /** The keys of a response's meta that reach the caller. Default: none. */
  responseMeta?: readonly string[];
  /** May the service receive the event? Default: yes. `restricted` of a handler limits the emitters, not the receivers. */
  mayReceive?: (event: string, service: string) => boolean;
  /** May the operator, this process outside of a service, call actions with `operator: true`? Default: no. */
  operator?: boolean;
  /** Called with each refusal. It must not throw. */
  onRefusal?: (ctx: Context, refused: Refused) => void;
  /** Creates the errors of refusals. Default: GuardError. */
  createError?: (type: GuardErrorType) => Error;
  /** Keys that other middlewares require in the guard's own actions on every node. */
  ownActions?: Readonly<Record<string, unknown>>;
  /** How long a process uses one X25519 key, in milliseconds. Default: 12 hours. */
  keyLifetime?: number;
}

/** The middleware of one process. */
export type ServiceGuard = Middleware &
  ((broker: ServiceBroker) => Middleware) & {
    /** Set it as the broker's `nodeID`. It is derived from the process's key, so that no other node can claim it. */
    readonly nodeID: string;
  };

const KEY_LIFETIME = 12 * 3_600_000;

/**
 * Checks which service may call which action and emit which event, as `restricted` declares it.
 * Create one for each broker and put it into the broker's `middlewares`. It places itself outside of all others.
 *
 * @throws Error for invalid options
 */
export function serviceGuard(options: ServiceGuardOptions): ServiceGuard {
  if (!Array.isArray(options.services))
    throw new Error("serviceGuard needs `services`: the names that `restricted` may list.");
  const keys = new KeyRing();
  const { service = serviceOf(process.env.SERVICES) ?? ANY_SERVICE } = options;
  const nodeID = nodeIDOf(service, keys.firstPublicKey);
  const middleware = (broker: ServiceBroker) =>
    toMiddleware(createHooks(broker, nodeID, keys, options));
  return Object.assign(middleware, { nodeID });
}

const serviceOf = (services: string | undefined) =>
  services && /^[\w-]+$/.test(services) ? services : undefined;

function createHooks(
  broker: ServiceBroker,
  nodeID: string,
  keys: KeyRing,
  options: ServiceGuardOptions,
): Hooks {
  const {
    services,
    credential = defaultCredential(broker),
    responseMeta = [],
    operator: hasOperator = false,
    mayReceive = () => true,
    onRefusal = () => {},
    createError = (type) => new GuardError(type),
    keyLifetime = KEY_LIFETIME,
  } = options;
  const known = { services: new Set([...services, "guard"]), keys: options.keys ?? [] };
  const node = new GuardNode(broker, {
    nodeID,
    keys,
    credential,
    keyLifetime,
    mayReceive,
    responseMeta,
  });
  const refusals = new Refusals(broker);
  const decision = new AccessDecision(broker, {
    node,
    refusals,
    hasOperator,
    onRefusal,
    createError,
  });
  const sent = eventsSent(node);
  attachGuardNode(broker, node);

  const hooks: Hooks = {
    name: "ServiceGuard",
    created() {
      checkBroker(broker, nodeID);
      placeOutside(broker, hooks);
      guardCallsMade(broker, { identities: node.identities, responseMeta, createError });
      refusals.registerMetric();
      registerMetrics(broker, node);
      showProvedNodes(broker, node);
      broker.createService(nodeService(refusals, node, options.ownActions));
    },
    starting: () => node.start(),
    started: () => node.reportMissingCredentials(),
    stopped: () => node.stop(),
    serviceCreating: (_service, schema) => checkDeclarations(schema, known),
    serviceCreated: ({ fullName }) => {
      if (!isInternal(fullName)) node.enrolment.now();
    },
    emit: sent,
    broadcast: sent,
    broadcastLocal: sent,
    localAction: decision.localAction,
    remoteAction: decision.remoteAction,
    localEvent: decision.localEvent,
  };
  return hooks;
}

/** A service's `authToken`, else its environment variable. */
const defaultCredential = (broker: ServiceBroker) => (service: string) => {
  const local = broker.services.find(({ fullName }) => fullName === service);
  const own = (local?.schema as { authToken?: unknown } | undefined)?.authToken;
  if (typeof own === "string" && own !== "") return own;
  return process.env[credentialVariable(service)] || undefined;
};

/** @throws Error for a broker whose packets could bypass the guard */
function checkBroker(broker: ServiceBroker, nodeID: string): void {
  if (!broker.transit) return;
  if (!isSealed(broker))
    throw new Error(
      "The service guard needs a sealed transporter: `transporter: new (sealed(Transporters.NATS))(options)`.",
    );
  if (broker.nodeID !== nodeID)
    throw new Error("The service guard needs its own node id: `nodeID: guard.nodeID`.");
  const discoverer = broker.registry.discoverer.constructor.name;
  if (discoverer !== "LocalDiscoverer")
    throw new Error(
      `The service guard needs Moleculer's local discoverer: ${discoverer} announces nodes outside of the sealed bus.`,
    );
}
