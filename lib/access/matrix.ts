import { decide, type Subject } from "./access.ts";
import { describeRoles } from "../tokens/access-token.ts";
import { describeSubjects, type SubjectType } from "../tokens/subject-type.ts";
import type { Roles } from "./report.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import type { ServiceContract } from "../contract/contract.ts";
import {
  type DeclaredAction,
  declaredActions,
  declaredHandlers,
  declaredSubscriptions,
} from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/**
 * `user`: the service may call on behalf of a user. `inside`: the user may call, but the action has neither route nor
 * socket event, so the call must come from a process of the application, such as from its REPL.
 */
export type Cell = "yes" | "no" | "user" | "inside";

export interface Row {
  /** `posts.create`, `event user.created -> chat`. */
  name: string;
  /** The service that has it, "event" or "subscription". */
  group: string;
  /** One for each column. */
  cells: Cell[];
  /** The user that it needs: a permission, a role and the kind, or "a user"; empty if it needs none. */
  needs: string;
}

export interface Matrix {
  columns: string[];
  rows: Row[];
}

/**
 * Who may do what: each action, event handler and subscription, for a caller without a user, each role and each service.
 *
 * @param kindOf the kind of subject that has this role
 */
export function accessMatrix(
  contracts: Contracts,
  roles: Roles,
  kindOf: (role: string) => SubjectType,
): Matrix {
  const subjects: [string, Subject][] = [
    ["anonymous", { kind: "anonymous" }],
    ...[...roles].map(([name, permissions]): [string, Subject] => [
      name,
      { kind: "user", name, permissions, roles: [name], subjectType: kindOf(name) },
    ]),
    ...[...contracts.keys()].map((name): [string, Subject] => [name, { kind: "service", name }]),
  ];
  const byName = (a: DeclaredAction, b: DeclaredAction) => (a.name < b.name ? -1 : 1);
  const actions = declaredActions(contracts).toSorted(byName);
  const handlers = declaredHandlers(contracts).toSorted(byName);
  const subscriptions = declaredSubscriptions(contracts).toSorted(byName);
  const rowOf = (group: string, declared: DeclaredAction): Row => ({
    name: declared.name,
    group,
    cells: subjects.map(([, subject]) => cellOf(subject, declared)),
    needs: needsOf(declared),
  });
  return {
    columns: subjects.map(([name]) => name),
    rows: [
      ...actions.map((action) => rowOf(action.service, action)),
      ...handlers.map((handler) => rowOf("event", handler)),
      ...subscriptions.map((subscription) => rowOf("subscription", subscription)),
    ],
  };
}

function cellOf(subject: Subject, { name, access, route, socket }: DeclaredAction): Cell {
  if (!decide(subject, name, access).allowed) return "no";
  if (subject.kind === "service") return access.auth === "required" ? "user" : "yes";
  return route === undefined && socket === undefined ? "inside" : "yes";
}

function needsOf({ access: { auth, permissions, roles, subjects } }: DeclaredAction): string {
  if (auth !== "required") return "";
  const wanted = namedPermissions(permissions);
  const needs = [
    ...(wanted.length > 0 ? [briefly(wanted)] : []),
    ...(roles ? [describeRoles(roles)] : []),
    ...(subjects ? [describeSubjects(subjects)] : []),
  ];
  return needs.length > 0 ? needs.join(", ") : "a user";
}

/** The permissions of which one is needed, in a narrow column: `users:roles|grant`. */
function briefly(permissions: readonly string[]): string {
  const byService = Map.groupBy(permissions, (name) => name.split(":", 1)[0] ?? "");
  return [...byService]
    .map(([service, names]) => {
      const keys = names.map((name) => name.slice(service.length + 1));
      return `${service}:${keys.join("|")}`;
    })
    .join(" or ");
}
