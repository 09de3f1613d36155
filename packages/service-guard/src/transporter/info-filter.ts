import type { Peer } from "../bus/peers.ts";
import type { GuardNode } from "../node/guard-node.ts";

/** A service in an INFO packet, as far as it matters here; whatever a node has written. */
interface ServiceInfo {
  name?: unknown;
  version?: unknown;
  fullName?: unknown;
  actions?: unknown;
  events?: unknown;
}

interface EventInfo {
  name?: unknown;
  group?: unknown;
}

/** Moleculer makes regular expressions of event names with `*` or `?`, and runs them at every emit. */
const EVENT_NAME = /^[\w.:/*?-]{1,200}$/;
/** More of them could match in more ways than there is time for. */
const MAX_WILDCARDS = 4;

/**
 * What a node may announce: services that it has proved, actions under their own names, and events in their own
 * group that they may receive. Everything else would make other nodes call it, or tell it, in another's place.
 */
export function filterInfo(services: unknown[], peer: Peer, node: GuardNode): object[] {
  return services.flatMap((service) => {
    const { name, version, fullName = name, actions, events } = (service ?? {}) as ServiceInfo;
    if (typeof name !== "string" || typeof fullName !== "string") return [];
    if (fullName !== name && fullName !== versionedName(name, version)) return [];
    // Moleculer's own and middlewares' services, of which each node has its own
    const isInternal = fullName.startsWith("$");
    if (!isInternal && !peer.isProved(fullName, node.clock.now())) return [];
    return [
      {
        ...(service as object),
        fullName,
        actions: only(actions, (key, action) => isOwnAction(fullName, key, action)),
        events: only(
          events,
          (key, event) =>
            isOwnEvent([name, fullName], key, event) && node.mayReceive(key, fullName),
        ),
      },
    ];
  });
}

/** As Moleculer makes it; undefined: the version is neither a number nor a string. */
function versionedName(name: string, version: unknown): string | undefined {
  if (typeof version === "number") return `v${version}.${name}`;
  return typeof version === "string" ? `${version}.${name}` : undefined;
}

const isOwnAction = (fullName: string, key: string, action: unknown) =>
  key.startsWith(`${fullName}.`) && (action as { name?: unknown } | null)?.name === key;

function isOwnEvent(names: readonly string[], key: string, event: unknown): boolean {
  const { name, group } = (event ?? {}) as EventInfo;
  if (name !== key || !EVENT_NAME.test(key)) return false;
  if ((key.match(/\*+/g) ?? []).length > MAX_WILDCARDS) return false;
  return group === undefined || (typeof group === "string" && names.includes(group));
}

const only = (part: unknown, isAllowed: (key: string, value: unknown) => boolean): object =>
  Object.fromEntries(
    Object.entries(typeof part === "object" && part !== null ? part : {}).filter(([key, value]) =>
      isAllowed(key, value),
    ),
  );
