import type { ServiceContract } from "../contract/contract.ts";
import { ACTION_SCOPES } from "../limits/action-limits.ts";

/** The problems of the limits that a contract declares, and of those that its actions name. */
export function limitProblems({ name, limits = {}, actions }: ServiceContract): string[] {
  return [
    ...Object.entries(limits).flatMap(([limit, { max, seconds = 1 }]) =>
      max >= 1 && seconds >= 1 ? [] : [`the limit '${limit}' of '${name}' must be at least 1`],
    ),
    ...Object.entries(actions).flatMap(([action, { limit, auth }]) => {
      if (limit === undefined) return [];
      const what = `${name}.${action}`;
      const declared = Object.hasOwn(limits, limit) ? limits[limit] : undefined;
      if (!declared) return [`${what} names the limit '${limit}', which is not declared`];
      const { per, seconds } = declared;
      const isPerUser = per === "user" || per === "session";
      return [
        ...(seconds === undefined
          ? [`${what} names the limit '${limit}', which needs 'seconds'`]
          : []),
        ...((ACTION_SCOPES as readonly string[]).includes(per)
          ? []
          : [
              `${what} names the limit '${limit}' per ${per}: actions count per ${ACTION_SCOPES.join(", ")}`,
            ]),
        ...(isPerUser && auth !== "required"
          ? [`${what} names the limit '${limit}' per ${per}, so it must declare auth: "required"`]
          : []),
      ];
    }),
  ];
}
