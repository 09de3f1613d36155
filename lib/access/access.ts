import { describeRoles, hasRole } from "../tokens/access-token.ts";
import { describeSubjects, type SubjectType } from "../tokens/subject-type.ts";
import type { Access } from "../contract/declarations/access.ts";
import { describePermissions, namedPermissions } from "../contract/declarations/permission.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { routesOf } from "../contract/load.ts";
import { GATEWAY } from "../contract/route.ts";
import {
  accessOfSubscription,
  subscribableEvents,
} from "../contract/declarations/subscribable-events.ts";

/** The caller: a service, or a client that calls through the gateway, with or without a user. */
export type Subject =
  | { kind: "service"; name: string }
  | {
      kind: "user";
      name: string;
      permissions: readonly string[];
      roles: string[];
      subjectType: SubjectType;
    }
  | { kind: "anonymous" };

export interface Decision {
  allowed: boolean;
  /** The rule that decides, as a sentence. */
  rule: string;
}

type Contracts = ReadonlyMap<string, ServiceContract>;

/**
 * The action behind `"posts.create"` or `"POST /api/posts"`, or the subscription `"subscribe posts.created"`.
 *
 * @returns its full name and access; undefined if there is none
 */
export function findAction(contracts: Contracts, target: string) {
  const [method, path] = target.split(" ");
  if (method === "subscribe") {
    const event = subscribableEvents(contracts).find(({ name }) => name === path);
    return event && { name: target, access: accessOfSubscription(event) };
  }
  if (path !== undefined) {
    const wanted = path.split("/");
    const route = routesOf(contracts).find((candidate) => {
      const parts = candidate.path.split("/");
      return (
        candidate.method === method?.toUpperCase() &&
        parts.length === wanted.length &&
        parts.every((part, at) => part.startsWith(":") || part === wanted[at])
      );
    });
    return route && { name: route.action, access: route.contract as Access };
  }
  const [service = "", action = ""] = target.split(".");
  const actions = contracts.get(service)?.actions ?? {};
  const access = Object.hasOwn(actions, action) ? actions[action] : undefined;
  return access && { name: target, access: access as Access };
}

/** Whether the subject may call an action with this access. The checks and their order are those of the middlewares. */
export function decide(subject: Subject, name: string, access: Access): Decision {
  const { restricted, auth, permissions, roles, subjects } = access;
  const caller = subject.kind === "service" ? subject.name : GATEWAY;
  const list = restricted?.join(", ");
  if (restricted && !restricted.includes(caller))
    return { allowed: false, rule: `${name} is restricted to ${list}` };
  const open = restricted ? `${name} is restricted to ${list}` : `${name} is open to every caller`;
  if (subject.kind === "service")
    return {
      allowed: true,
      rule: auth === "required" ? `${open}; it also needs ${needsOfUser(access)}` : open,
    };
  if (auth === "context")
    return { allowed: true, rule: `${open}, and decides itself with or without a user` };
  if (auth !== "required") return { allowed: true, rule: `${open}, and needs no user` };
  if (subject.kind === "anonymous") return { allowed: false, rule: `${name} needs a user` };
  const { name: who, permissions: held, subjectType } = subject;
  const wanted = namedPermissions(permissions);
  if (wanted.length > 0 && !wanted.some((permission) => held.includes(permission)))
    return {
      allowed: false,
      rule: `${name} needs ${describePermissions(wanted)}, which ${who} lacks`,
    };
  if (roles && !hasRole(subject, roles))
    return { allowed: false, rule: `${name} needs ${describeRoles(roles)}, which ${who} lacks` };
  if (subjects && !subjects.includes(subjectType))
    return {
      allowed: false,
      rule: `${name} is for ${describeSubjects(subjects)}, and ${who} is of the kind ${subjectType}`,
    };
  const kinds = subjects ? `, and is for ${describeSubjects(subjects)}, as ${who} is` : "";
  const needs = permissionAndRoles(access);
  return {
    allowed: true,
    rule:
      needs === undefined
        ? `${name} needs ${subjects ? "a" : "any"} signed-in user${kinds}`
        : `${name} needs ${needs}, which ${who} holds${kinds}`,
  };
}

/** The user that an action needs: `a user with guard:audit (staff)`. */
function needsOfUser(access: Access): string {
  const { subjects } = access;
  const needs = permissionAndRoles(access);
  const user = needs === undefined ? "a user" : `a user with ${needs}`;
  return subjects ? `${user} (${describeSubjects(subjects)})` : user;
}

/** `posts:write and the role admin`; undefined if neither is needed. */
function permissionAndRoles({ permissions, roles }: Access): string | undefined {
  const wanted = namedPermissions(permissions);
  const needs = [
    ...(wanted.length > 0 ? [describePermissions(wanted)] : []),
    ...(roles ? [describeRoles(roles)] : []),
  ];
  return needs.length > 0 ? needs.join(" and ") : undefined;
}
