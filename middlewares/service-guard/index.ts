import type { Context, Middleware, ServiceBroker, ServiceSchema } from "moleculer";
import { CitadelError } from "../../lib/errors.ts";
import { type Hooks, toMiddleware } from "../../lib/hooks.ts";
import type { EndorsedKeys } from "../../lib/tokens/key-endorsement.ts";
import { signProof } from "../../lib/tokens/request-proof.ts";
import { readCredential } from "../../lib/tokens/service-token.ts";
import { attachment } from "../../lib/attachment.ts";
import { audienceOfAction } from "../../lib/tokens/service-token.ts";
import { Announcements } from "./announcements.ts";
import { CallTokens, type Exchanged, type ExchangeRequest } from "./call-tokens.ts";
import { checkDeclarations } from "./declarations.ts";
import { Denials } from "./denials.ts";
import { CREDENTIAL_HEADER, CREDENTIAL_PROOF_HEADER } from "./headers.ts";
import { Incoming, type Refused } from "./incoming.ts";
import { nodeService } from "./node-service.ts";
import { Outgoing } from "./outgoing.ts";
import { setStatements, Statements } from "./statements.ts";
import { Verifier } from "./verifier.ts";

export interface ServiceGuardOptions {
  /** Every service that `restricted` may name. */
  services: readonly string[];
  /**
   * What other middlewares read in actions and event handlers, such as `auth`. A key that neither these nor Moleculer
   * know keeps the node from starting.
   */
  keys?: readonly string[];
  /** The credential of a service that runs in this process. */
  credential: (service: string) => string | undefined;
  /** What of a response's meta reaches the caller; by default nothing. */
  responseMeta?: readonly string[];
  /** Told of each refusal, to write it down; it must not throw. */
  onRefusal?: (ctx: Context, refused: Refused) => void;
}

const tokensAt = attachment<CallTokens>("call tokens");

/**
 * Can a service of this node call another now: does it hold a living token, or can the guard give it one
 * within `timeout` milliseconds?
 */
export async function canProve(
  broker: ServiceBroker,
  service: string,
  callee: string,
  timeout: number,
): Promise<boolean> {
  const timer = Promise.withResolvers<undefined>();
  const timeoutID = setTimeout(() => timer.resolve(undefined), timeout);
  try {
    const token = tokensAt.of(broker).get(service, audienceOfAction(callee));
    return (await Promise.race([token, timer.promise])) !== undefined;
  } catch {
    return false;
  } finally {
    clearTimeout(timeoutID);
  }
}

/**
 * Lets a service's actions and events say which services may call them, and holds every call to it.
 *
 * A call gets a call token for the one service that it goes to; the callee checks it before anything
 * else looks at the call. Callees prove themselves to their callers. List this middleware after
 * Validator, Cacher and Fallback, so that it wraps them, and before ErrorHandler.
 */
export function serviceGuard(options: ServiceGuardOptions): (broker: ServiceBroker) => Middleware {
  return (broker) => toMiddleware(createGuard(broker, options));
}

function createGuard(broker: ServiceBroker, options: ServiceGuardOptions): Hooks {
  const { services, keys = [], credential, responseMeta = [], onRefusal = () => {} } = options;
  // the node's own service says to other middlewares that it needs no user
  const known = { services: new Set([...services, "guard"]), keys: [...keys, "auth"] };
  const guardKeys = () => broker.call<EndorsedKeys, object>("guard.jwks", {});
  const denials = new Denials(broker);
  const tokens = new CallTokens({ credential, exchange: (request) => exchange(broker, request) });
  const verifier = new Verifier({
    credentials: () => services.flatMap((service) => credential(service) ?? []),
    fetchKeys: guardKeys,
  });
  const announcements = new Announcements(broker, { tokens, verifier, guardKeys });
  const outgoing = new Outgoing(broker, tokens, responseMeta);
  const incoming = new Incoming(broker, { verifier, denials, onRefusal });

  return {
    name: "ServiceGuard",
    created() {
      tokensAt.set(broker, tokens);
      denials.registerMetric();
      setStatements(broker, new Statements(tokens, verifier));
      broker.createService(nodeService(denials, verifier) as ServiceSchema);
    },
    started: async () => announcements.start(),
    stopping: async () => announcements.stop(),
    serviceCreating: (_service, schema) => checkDeclarations(schema, known),
    call: outgoing.call,
    emit: outgoing.emit,
    broadcast: outgoing.emit,
    broadcastLocal: outgoing.emit,
    localAction: incoming.localAction,
    localEvent: incoming.localEvent,
    transitMessageHandler(next) {
      return (command, packet) => {
        const { payload } = packet;
        if (command !== "INFO" || payload?.sender === broker.nodeID) return next(command, packet);
        try {
          announcements.receive(payload as never, (info) =>
            next(command, { ...packet, payload: info }),
          );
        } catch (error) {
          broker.logger.warn({ err: error }, "A node's announcement could not be read.");
        }
        return Promise.resolve(true);
      };
    },
  };
}

/** How long one guard node may take, in milliseconds. */
const EXCHANGE_TIMEOUT = 3_000;

/** Trades a credential for a call token. Only its name goes to the guard, with a proof by its secret. */
async function exchange(
  broker: ServiceBroker,
  { service, credential, audience, jwk }: ExchangeRequest,
): Promise<Exchanged> {
  const { name, secret } = readCredential(credential);
  const action = "guard.exchange";
  // asked first, since Moleculer warns of each look in vain
  const isThere = broker.registry.getActionEndpoints(action)?.hasAvailable() ?? false;
  const endpoint = isThere && broker.findNextActionEndpoint(action, {}, undefined as never);
  if (!endpoint || endpoint instanceof Error) throw new CitadelError("GuardNotAccessible");
  const params = { audience, jwk };
  const proof = signProof(
    { key: secret, alg: "HS256", kid: service },
    { service, target: action, nodeID: endpoint.id, params, token: name },
  );
  const headers = { [CREDENTIAL_HEADER]: name, [CREDENTIAL_PROOF_HEADER]: proof };
  const calling = { nodeID: endpoint.id, headers, timeout: EXCHANGE_TIMEOUT } as object;
  return broker.call<Exchanged, object>(action, params, calling);
}
