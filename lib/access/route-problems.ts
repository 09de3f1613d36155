import { GATEWAY } from "../contract/route.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { type Route, routesOf } from "../contract/load.ts";

/** Below these a contract may have routes; everything else is the gateway's own. */
const PREFIXES = ["/api/", "/.well-known/"];

const nameOf = ({ action, method, path }: Route) => `${action} (${method} ${path})`;

/** What a request's path must look like to get here: the parameters' names make no difference. */
const shapeOf = ({ method, path }: Route) => `${method} ${path.replace(/:\w+/g, ":")}`;

/** What is wrong with the routes of these contracts. */
function routeProblems(contracts: ReadonlyMap<string, ServiceContract>): string[] {
  const first = new Map<string, Route>();
  return routesOf(contracts).flatMap((route) => {
    const { path, contract } = route;
    const before = first.get(shapeOf(route));
    first.set(shapeOf(route), before ?? route);
    return [
      ...(contract.restricted && !contract.restricted.includes(GATEWAY)
        ? [`${nameOf(route)} refuses ${GATEWAY}, which alone comes by a route`]
        : []),
      ...(PREFIXES.some((prefix) => path.startsWith(prefix))
        ? []
        : [`${nameOf(route)} is below neither ${PREFIXES.join(" nor ")}`]),
      ...(before ? [`${nameOf(route)} has the route of ${nameOf(before)}`] : []),
    ];
  });
}

/** @throws Error that names each route which cannot be */
export function mustBeRoutable(contracts: ReadonlyMap<string, ServiceContract>): void {
  const problems = routeProblems(contracts);
  if (problems.length > 0)
    throw new Error(
      `The gateway refuses these routes:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        `Name '${GATEWAY}' in 'restricted', or give each action a 'rest' of its own below ${PREFIXES.join(" or ")}.`,
    );
}
