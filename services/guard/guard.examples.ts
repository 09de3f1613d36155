import type { Examples } from "../../lib/contract/examples.ts";
import type { contract } from "./guard.contract.ts";

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  audit: {
    params: { event: "roles.changed", limit: 20 },
    result: {
      items: [
        {
          id: "f3c1e9d2-8a47-4b6c-9e05-1d7b2a64c8f0",
          at: "2026-11-22T08:15:30.407Z",
          event: "roles.changed",
          actorId: "1be0c1f5-6a3d-4d92-b1c7-90a5e8f2d364",
          actor: "admin",
          subjectId: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
          subject: "alice",
          address: "203.0.113.7",
          userAgent: "curl/8.17.0",
          requestId: "0b9d4e71-52c6-4f38-a1d0-7e3c8b95f246",
          data: { before: ["user"], after: ["user", "moderator"] },
          service: "users",
        },
      ],
      nextCursor: null,
    },
  },
  jobs: {
    result: {
      items: [
        {
          service: "users",
          queues: [
            {
              name: "events/chat",
              waiting: 0,
              delayed: 2,
              running: 0,
              failed: 1,
              oldest: 41,
            },
          ],
        },
        { service: "auth", isUnavailable: true },
      ],
      nextCursor: null,
    },
  },
};
