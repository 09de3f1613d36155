import type { ServiceSchema } from "moleculer";
import type { GuardNode } from "../node/guard-node.ts";
import { nodesOf } from "../node/node-list.ts";
import type { Refusals } from "./refusals.ts";

/** What the guard service asks of every node. */
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
