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
  /** Every service that `restricted` may name. `guard` is always known. */
  services: readonly string[];
  /** The service that this process runs, for its node id; by default the one that SERVICES names, if it is one. */
  service?: string | undefined;
  /** The credential of a service of this process; by default its schema's `authToken`, else <SERVICE>_AUTH_TOKEN. */
  credential?: (service: string) => string | undefined;
  /**
   * What other middlewares read in actions and event handlers. A key that neither these nor Moleculer know keeps
   * the node from starting.
   */
  keys?: readonly string[];
  /** What of a response's meta reaches the caller; by default nothing. */
  responseMeta?: readonly string[];
  /** May the service receive the event? By default it may; its emitters are the handlers' to restrict. */
  mayReceive?: (event: string, service: string) => boolean;
  /** Whether calls of this process outside of any service may reach `operator: true` actions; by default they may not. */
  operator?: boolean;
  /** Told of each refusal, to write it down; it must not throw. */
  onRefusal?: (ctx: Context, refused: Refused) => void;
  /** Makes the errors of refusals; by default GuardErrors. */
  createError?: (type: GuardErrorType) => Error;
  /** What other middlewares have to read in the guard's own actions, of which each node has its own. */
  ownActions?: Readonly<Record<string, unknown>>;
  /** How long a process uses one X25519 key, in milliseconds; by default 12 hours. */
  keyLifetime?: number;
}

/** The middleware of one process. */
export type ServiceGuard = Middleware &
  ((broker: ServiceBroker) => Middleware) & {
    /** The broker's `nodeID`: it follows from the process's key, so that no other node can have it. */
    readonly nodeID: string;
  };

const KEY_LIFETIME = 12 * 3_600_000;

/**
 * Lets a service's actions and events say which services may call them, and holds every call to it.
 * Make one for each broker, and put it into the broker's `middlewares`; it places itself around all others.
 *
 * @throws Error for options that cannot be used
 */
export function serviceGuard(options: ServiceGuardOptions): ServiceGuard {
  if (!Array.isArray(options.services))
    throw new Error("serviceGuard needs `services`: the names that `restricted` may hold.");
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
  const node = new GuardNode(broker, { nodeID, keys, credential, keyLifetime, mayReceive });
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

/** A service's `authToken`, else what the environment holds. */
const defaultCredential = (broker: ServiceBroker) => (service: string) => {
  const local = broker.services.find(({ fullName }) => fullName === service);
  const own = (local?.schema as { authToken?: unknown } | undefined)?.authToken;
  if (typeof own === "string" && own !== "") return own;
  return process.env[credentialVariable(service)] || undefined;
};

/** @throws Error where something of the broker would go past the guard */
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
      `The service guard needs Moleculer's local discoverer: ${discoverer} tells nodes of each other outside of the sealed bus.`,
    );
}
