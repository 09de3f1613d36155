import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";

/** The service whose route the suite `http` measures. */
export const contract = defineContract({
  name: "item",
  actions: {
    get: route({
      rest: "GET /api/item",
      description: "An item.",
      auth: "required",
      permissions: null,
      params: {},
      result: {
        type: "object",
        props: {
          id: "uuid",
          title: "string",
          author: { type: "object", props: { id: "uuid", name: "string" } },
          tags: { type: "array", items: "string" },
          likes: "number",
          isPublished: "boolean",
          createdAt: "string",
          updatedAt: "string",
          text: "string",
        },
      },
    }),
  },
});
