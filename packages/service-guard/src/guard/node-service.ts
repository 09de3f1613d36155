import type { ServiceSchema } from "moleculer";
import type { GuardNode } from "../node/guard-node.ts";
import { nodesOf } from "../node/node-list.ts";
import type { Refusals } from "./refusals.ts";

/** The service that each node runs, and that the guard service calls. */
export const nodeService = (
  refusals: Refusals,
  node: GuardNode,
  declared: object = {},
): ServiceSchema =>
  ({
    name: "$guard",
    actions: {
      refusals: { ...declared, restricted: ["guard"], handler: () => refusals.list() },
      nodes: {
        ...declared,
        restricted: null,
        visibility: "protected",
        handler: () => nodesOf(node),
      },
    },
  }) as ServiceSchema;
