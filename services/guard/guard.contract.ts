import { STAFF } from "../../lib/tokens/subject-type.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
import { serviceNames } from "../../lib/contract/load.ts";
import { QUEUE_STATE } from "../../lib/contract/queue-actions.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/schemas/page.ts";

/** A credential without its secret. */
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
  // PostgreSQL has no year 0
  pattern:
    /^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?Z$/,
  messages: {
    stringPattern: "Must be a time of ISO 8601 in UTC, such as 2026-11-21T22:31:04Z.",
  },
} as const;

/** An entry of the audit trail, as services send it. */
const AUDIT_ENTRY = {
  id: "uuid",
  at: TIME,
  event: "string|max:64",
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
    operate: {
      title: "Guard: Manage credentials",
      description: "Create, list and revoke the services' credentials; read the list of refusals.",
    },
    audit: { title: "Guard: Read the audit trail", description: "Read the audit trail." },
    jobs: {
      title: "Guard: Manage jobs",
      description: "See the services' queues; see, retry and discard failed jobs and events.",
    },
  },
  secrets: {
    signing_key: { description: "Signs the services' credentials.", type: "private-key" },
  },
  audit: {
    "credential.generated": "An operator generated a service's credential.",
    "credential.revoked": "An operator revoked a service's credential.",
  },
  actions: {
    generate: {
      description:
        "Creates a credential for a service's authToken. On a bus only operators may call it.",
      restricted: null,
      auth: "optional",
      params: { service: SERVICE_NAME },
      result: "string",
    },
    refusals: {
      description:
        "The last refused calls and events of all nodes. On a bus only operators may call it.",
      restricted: null,
      auth: "optional",
      params: {},
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
      params: {},
      result: {
        type: "object",
        props: { items: { type: "array", items: CREDENTIAL } },
      },
    },
    revoke: {
      description:
        "Revokes a credential. Every node refuses its identity tokens within two seconds.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:operate",
      subjects: STAFF,
      closed: true,
      params: { id: "uuid" },
      result: CREDENTIAL,
    },
    record: {
      description: "Adds entries to the audit trail. An entry with a known id is not added again.",
      restricted: serviceNames(),
      auth: "none",
      params: {
        entries: {
          type: "array",
          max: 100,
          items: { type: "object", props: AUDIT_ENTRY },
        },
      },
      result: null,
    },
    audit: route({
      rest: "GET /api/audit",
      description: "The audit trail, newest first: who did what to whom, from where and when.",
      auth: "required",
      permissions: "guard:audit",
      subjects: STAFF,
      params: {
        /** An audit event that a contract or the application declares. */
        event: "string|optional|max:64",
        /** The actor, the impersonator or the subject. */
        userId: "string|optional|max:500",
        address: "string|optional|max:100",
        from: { ...TIME, optional: true },
        to: { ...TIME, optional: true },
        ...PAGE_PARAMS,
      },
      result: pageOf({
        type: "object",
        name: "AuditEntry",
        props: { ...AUDIT_ENTRY, service: "string" },
      }),
    }),
    jobs: route({
      rest: "GET /api/admin/jobs",
      description: "The state of the queues of each service that has some.",
      auth: "required",
      permissions: "guard:jobs",
      subjects: STAFF,
      params: {},
      result: pageOf({
        type: "object",
        name: "ServiceQueues",
        props: {
          service: "string",
          /** Left out if the service is unavailable. */
          queues: { type: "array", items: QUEUE_STATE, optional: true },
          isUnavailable: "boolean|optional",
        },
      }),
    }),
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    guard: typeof contract;
  }
}
