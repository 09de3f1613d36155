import type { Peer } from "../bus/peers.ts";
import type { GuardNode } from "../node/guard-node.ts";

/** The fields of a service in an INFO packet that are read here. They may contain anything. */
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

/** Moleculer converts event names with `*` or `?` to regular expressions, and runs them at every emit. */
const EVENT_NAME = /^[\w.:/*?-]{1,200}$/;
/** More wildcards make the regular expression's run time explode. */
const MAX_WILDCARDS = 4;

/**
 * Keeps what a node may announce: services that it has proved, actions with the service's own name, and events in its
 * own group that it may receive. Anything else would make other nodes send it calls and events of another service.
 */
export function filterInfo(services: unknown[], peer: Peer, node: GuardNode): object[] {
  return services.flatMap((service) => {
    const { name, version, fullName = name, actions, events } = (service ?? {}) as ServiceInfo;
    if (typeof name !== "string" || typeof fullName !== "string") return [];
    if (fullName !== name && fullName !== versionedName(name, version)) return [];
    // internal services, such as `$node`, which each node runs for itself
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

/** The full name as Moleculer builds it. @returns undefined unless the version is a number or a string */
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
