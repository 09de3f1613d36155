import { AUDIT_EVENTS } from "../../lib/audit/audit.ts";
import { STAFF } from "../../lib/tokens/access-token.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { serviceNames } from "../../lib/contract/load.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";

/** What is known of a credential; its secret is not. */
const CREDENTIAL = {
  type: "object",
  props: {
    id: "uuid",
    service: "string",
    issuedAt: "string",
    expiresAt: "string",
    lastUsedAt: { type: "string", nullable: true },
    revokedAt: { type: "string", nullable: true },
  },
} as const;

const SERVICE_NAME = {
  type: "string",
  pattern: /^[A-Za-z][\w-]{0,62}$/,
  messages: {
    stringPattern: "Must begin with a letter, and have at most 63 letters, digits, '_' and '-'.",
  },
} as const;

/** ISO 8601, in UTC. */
const TIME = {
  type: "string",
  // year 0 is none to PostgreSQL
  pattern:
    /^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?Z$/,
  messages: {
    stringPattern: "Must be a time of ISO 8601 in UTC, such as 2026-11-21T22:31:04Z.",
  },
} as const;

/** A line of the audit trail, as those write it who saw what happened. */
const AUDIT_ENTRY = {
  id: "uuid",
  at: TIME,
  event: { type: "enum", values: AUDIT_EVENTS },
  actorId: "string|optional|max:500",
  actor: "string|optional|max:500",
  impersonatorId: "string|optional|max:500",
  impersonator: "string|optional|max:500",
  subjectId: "string|optional|max:500",
  subject: "string|optional|max:500",
  address: "string|optional|max:100",
  userAgent: "string|optional|max:500",
  requestId: "string|optional|max:100",
  correlationId: "string|optional|max:100",
  data: { type: "record", key: "string", value: "any", optional: true },
} as const;

export const contract = defineContract({
  name: "guard",
  permissions: {
    operate: "Make, list and revoke the services' credentials; see refusals.",
    audit: "Read the audit trail.",
  },
  actions: {
    generate: {
      description: "Makes a service's credential, for its authToken. On a bus for operators only.",
      restricted: null,
      auth: "optional",
      params: { $$strict: true, service: SERVICE_NAME },
      result: "string",
    },
    refusals: {
      description: "The last refusals of all nodes. On a bus for operators only.",
      restricted: null,
      auth: "optional",
      params: { $$strict: true },
      result: {
        type: "object",
        props: {
          last: {
            type: "array",
            items: {
              type: "object",
              props: {
                target: "string",
                type: "string",
                caller: "string|optional",
                nodeID: "string|optional",
                at: "string",
              },
            },
          },
          counts: {
            type: "array",
            items: {
              type: "object",
              props: { target: "string", type: "string", count: "number" },
            },
          },
        },
      },
    },
    credentials: {
      description: "The credentials that were used, and which are revoked.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:operate",
      subjects: STAFF,
      closed: true,
      params: { $$strict: true },
      result: {
        type: "object",
        props: { items: { type: "array", items: CREDENTIAL } },
      },
    },
    revoke: {
      description: "Revokes a credential: its identities end on every node within two seconds.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:operate",
      subjects: STAFF,
      closed: true,
      params: { $$strict: true, id: "uuid" },
      result: CREDENTIAL,
    },
    record: {
      description: "Adds to the audit trail. What is there already is not added again.",
      restricted: serviceNames(),
      auth: "none",
      params: {
        $$strict: true,
        entries: {
          type: "array",
          max: 100,
          items: { type: "object", strict: true, props: AUDIT_ENTRY },
        },
      },
      result: null,
    },
    audit: {
      description: "The audit trail, newest first: who did what to whom, from where and when.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:audit",
      subjects: STAFF,
      rest: "GET /api/audit",
      params: {
        $$strict: true,
        event: { type: "enum", values: AUDIT_EVENTS, optional: true },
        /** Who did it, had it done in their name, or had it done to them. */
        userId: "string|optional|max:500",
        address: "string|optional|max:100",
        from: { ...TIME, optional: true },
        to: { ...TIME, optional: true },
        ...PAGE_PARAMS,
      },
      result: pageOf({
        type: "object",
        props: { ...AUDIT_ENTRY, service: "string" },
      }),
      example: {
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
    },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    guard: typeof contract;
  }
}
