import { describeSubjects } from "../tokens/subject-type.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import type { Section } from "../docs/section.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { type Route, routesOf } from "../contract/load.ts";
import { toSummary } from "./operation.ts";

/** The section of the routes outside of `/api`. */
const OTHER = "Other routes";

/** Paths that begin a section, of which a service's queues have their own; any other path is in OTHER. */
const PREFIX = /^\/api\/(?:admin\/jobs\/)?[^/]+/;

/**
 * The sections of docs/routes.md: one for each prefix such as `/api/auth`. A section whose routes are all one service's
 * belongs to that service.
 */
export function routeSections(contracts: ReadonlyMap<string, ServiceContract>): Section[] {
  const sections = Map.groupBy(routesOf(contracts), ({ path }) => PREFIX.exec(path)?.[0] ?? OTHER);
  return [...sections]
    .toSorted(([a], [b]) => orderOf(a).localeCompare(orderOf(b)))
    .map(([title, routes]) => {
      const [service, ...others] = new Set(routes.map(serviceOf));
      return {
        ...(service !== undefined && others.length === 0 && { service }),
        title,
        text: tableOf(routes),
      };
    });
}

const orderOf = (title: string) => (title === OTHER ? "~" : title);

const serviceOf = ({ action }: Route) => action.split(".", 1)[0] ?? "";

function tableOf(routes: readonly Route[]): string {
  const rows = routes
    .toSorted((a, b) => a.path.localeCompare(b.path))
    .map(({ method, path, action, contract }) =>
      [
        `\`${method} ${path}\``,
        `\`${action}\``,
        callersOf(contract),
        toSummary(contract.description),
      ].join(" | "),
    );
  return [
    "| route | action | who may call | does |",
    "|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

function callersOf({ auth, permissions, roles, subjects }: Route["contract"]): string {
  if (auth !== "required") return "anyone";
  const kinds = subjects ? describeSubjects(subjects) : "any user";
  const needed = namedPermissions(permissions);
  const needs = [
    ...(needed.length > 0 ? [needed.map((name) => `\`${name}\``).join(" or ")] : []),
    ...(roles ? [`the role ${roles.map((role) => `\`${role}\``).join(" or ")}`] : []),
  ];
  return needs.length > 0 ? `${kinds} with ${needs.join(" and ")}` : kinds;
}
