import { type ServiceContract, defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";

/** Services that exist beside the application's own, and are idle. */
export interface MoreServices {
  services: number;
  /** The actions of each of them, which all have a route. */
  actions: number;
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

/** Their contracts. */
export const moreContracts = ({ services, actions }: MoreServices): ServiceContract[] =>
  numbers(services).map((service) =>
    defineContract({
      name: `more${service}`,
      actions: Object.fromEntries(
        numbers(actions).map((action) => [
          `get${action}`,
          route({
            rest: `GET /api/more${service}/get${action}`,
            description: "An action of the benchmark.",
            auth: "required",
            permissions: null,
            params: {},
            result: { type: "object", props: { id: "uuid" } },
          }),
        ]),
      ),
    }),
  );
