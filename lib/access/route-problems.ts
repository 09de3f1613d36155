import { GATEWAY } from "../contract/route.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { type Route, routesOf } from "../contract/load.ts";

/** The prefixes of the routes that contracts declare. All other paths belong to the gateway. */
const PREFIXES = ["/api/", "/.well-known/"];

const nameOf = ({ action, method, path }: Route) => `${action} (${method} ${path})`;

/** The route without the names of its parameters, which do not matter when a request is matched. */
const shapeOf = ({ method, path }: Route) => `${method} ${path.replace(/:\w+/g, ":")}`;

/** The problems of the routes of these contracts. */
function routeProblems(contracts: ReadonlyMap<string, ServiceContract>): string[] {
  const first = new Map<string, Route>();
  return routesOf(contracts).flatMap((route) => {
    const { path, contract } = route;
    const before = first.get(shapeOf(route));
    first.set(shapeOf(route), before ?? route);
    return [
      ...(contract.restricted && !contract.restricted.includes(GATEWAY)
        ? [`${nameOf(route)} has a route, so its 'restricted' must include ${GATEWAY}`]
        : []),
      ...(PREFIXES.some((prefix) => path.startsWith(prefix))
        ? []
        : [`${nameOf(route)} must be below ${PREFIXES.join(" or ")}`]),
      ...(before ? [`${nameOf(route)} has the same route as ${nameOf(before)}`] : []),
    ];
  });
}

/** @throws Error that lists the invalid routes */
export function mustBeRoutable(contracts: ReadonlyMap<string, ServiceContract>): void {
  const problems = routeProblems(contracts);
  if (problems.length > 0)
    throw new Error(
      `These routes are invalid:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        `Name '${GATEWAY}' in 'restricted', or give each action a 'rest' of its own below ${PREFIXES.join(" or ")}.`,
    );
}
