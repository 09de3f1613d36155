import type { Access } from "../contract/declarations/access.ts";
import type { PermissionContract } from "../contract/declarations/permission.ts";
import type { ServiceContract } from "../contract/contract.ts";
import type { Recipients } from "../contract/declarations/socket.ts";
import {
  accessOfSubscription,
  type SubscribableEvent,
  subscribableEvents,
} from "../contract/declarations/subscribable-events.ts";
import { type DeclaredAction, declaredActions, declaredHandlers, emittersOf } from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;
/** The permissions that each role holds. */
export type Roles = ReadonlyMap<string, readonly string[]>;

/** The access of an action or handler, as a reviewer reads it. */
interface AccessFacts {
  restricted: readonly string[] | null;
  auth: Access["auth"];
  permissions?: Access["permissions"];
  roles?: readonly string[];
  subjects?: readonly string[];
  operator?: true;
  route?: string;
  socket?: string;
}

/** Who may subscribe to an event, who sees one, and the fields by which a subscriber may filter. */
interface SubscriptionFacts extends Omit<AccessFacts, "restricted"> {
  visible: Recipients;
  filters?: readonly string[];
}

interface EventFacts {
  emittedBy: readonly string[];
  handledBy: Record<string, AccessFacts>;
  subscribe?: SubscriptionFacts;
}

/** All declarations about who may do what: the content of `access.json`. */
export interface AccessReport {
  roles: Record<string, readonly string[]>;
  permissions: Record<string, PermissionContract>;
  actions: Record<string, AccessFacts>;
  events: Record<string, EventFacts>;
}

/** Collects the declarations of the contracts and the roles. They are sorted, so that equal declarations give equal text. */
export function accessReport(contracts: Contracts, roles: Roles): AccessReport {
  const emitters = emittersOf(contracts);
  const handlers = Map.groupBy(declaredHandlers(contracts), ({ event }) => event);
  const subscribable = new Map(subscribableEvents(contracts).map((one) => [one.name, one]));
  return {
    roles: sorted([...roles].map(([role, held]) => [role, held.toSorted()])),
    permissions: sorted(
      [...contracts.values()].flatMap(({ name, permissions = {} }) =>
        Object.entries(permissions).map(([key, permission]) => [`${name}:${key}`, permission]),
      ),
    ),
    actions: sorted(declaredActions(contracts).map((action) => [action.name, factsOf(action)])),
    events: sorted(
      [...new Set([...emitters.keys(), ...handlers.keys()])].map((event) => [
        event,
        {
          emittedBy: (emitters.get(event) ?? []).toSorted(),
          handledBy: sorted(
            (handlers.get(event) ?? []).map((handler) => [handler.service, factsOf(handler)]),
          ),
          ...subscriptionFacts(subscribable.get(event)),
        },
      ]),
    ),
  };
}

function factsOf({ access, route, socket, isForOperator }: DeclaredAction): AccessFacts {
  const { restricted, auth, permissions, roles, subjects } = access;
  return {
    restricted: restricted && restricted.toSorted(),
    auth,
    ...(permissions !== undefined && { permissions }),
    ...(roles !== undefined && { roles: roles.toSorted() }),
    ...(subjects !== undefined && { subjects: subjects.toSorted() }),
    ...(isForOperator && { operator: true as const }),
    ...(route !== undefined && { route }),
    ...(socket !== undefined && { socket }),
  };
}

function subscriptionFacts(event?: SubscribableEvent): { subscribe?: SubscriptionFacts } {
  if (!event) return {};
  const { name, service, subscribe } = event;
  const { restricted: _gateway, ...access } = factsOf({
    name,
    service,
    access: accessOfSubscription(event),
  });
  const filters = Object.keys(subscribe.params ?? {}).toSorted();
  return {
    subscribe: { ...access, visible: subscribe.visible, ...(filters.length > 0 && { filters }) },
  };
}

const sorted = <T>(entries: [string, T][]): Record<string, T> =>
  Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** The report as JSON with one fact per line, so that each line of a diff is readable by itself. */
export function toJson(report: AccessReport): string {
  const parts = Object.entries(report).map(([part, facts]: [string, object]) => {
    const lines = Object.entries(facts).map(
      ([name, fact]) => `    ${JSON.stringify(name)}: ${onOneLine(fact)}`,
    );
    return `  ${JSON.stringify(part)}: {\n${lines.join(",\n")}\n  }`;
  });
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** JSON on one line, with spaces. */
function onOneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const items = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${onOneLine(item)}`,
  );
  return items.length > 0 ? `{ ${items.join(", ")} }` : "{}";
}

/** The lines that differ between two reports: "-" marks a line of the first, "+" a line of the second. */
export function differingLines(before: string, after: string): string[] {
  // a trailing comma depends on the next line
  const facts = (text: string) => text.split("\n").map((line) => line.trim().replace(/,$/, ""));
  const [old, current] = [facts(before), facts(after)];
  return [
    ...old.filter((fact) => !current.includes(fact)).map((fact) => `- ${fact}`),
    ...current.filter((fact) => !old.includes(fact)).map((fact) => `+ ${fact}`),
  ];
}
