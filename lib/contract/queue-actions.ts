import { STAFF } from "../tokens/subject-type.ts";
import type { ServiceContract } from "./contract.ts";
import { GATEWAY } from "./route.ts";
import type { ValueOf } from "./schemas/infer.ts";
import { PAGE_PARAMS, pageOf } from "./schemas/page.ts";

/** The state of a queue. Times are in seconds. */
export const QUEUE_STATE = {
  type: "object",
  name: "QueueState",
  props: {
    name: "string",
    /** Jobs that can run now. */
    waiting: "number",
    /** Jobs that run later, such as after the pause before a retry. */
    delayed: "number",
    running: "number",
    /** Jobs that have failed and are not retried. */
    failed: "number",
    /** The age of the oldest job that waits or is retried; null if there is none. */
    oldest: { type: "number", nullable: true },
  },
} as const;

const ACTOR = {
  type: "object",
  name: "JobActor",
  props: { id: "string", name: "string|optional" },
  optional: true,
} as const;

/** A job or an event that has failed and is not retried. */
const FAILED_JOB = {
  type: "object",
  name: "FailedJob",
  props: {
    id: "uuid",
    queue: "string",
    /** The event's name; left out for a job, whose queue has its name. */
    event: "string|optional",
    /** The job's parameters, or the event's payload, without redacted fields. */
    params: "any|optional",
    reason: {
      type: "object",
      props: { type: "string", message: "string|optional", code: "string|optional" },
    },
    attempts: "number",
    createdAt: "string",
    failedAt: "string",
    /** The request that caused it, and its user. */
    requestId: "string|optional",
    actor: ACTOR,
    impersonator: ACTOR,
  },
} as const;

/** A job or an event that has failed and is not retried, as operators see it. */
export type FailedJob = ValueOf<typeof FAILED_JOB>;

/** Which failed job. An event that failed for several services has one id, and is in several queues. */
const ID = { id: "uuid", queue: "string|optional|max:200" } as const;

const OPERATORS = { auth: "required", permissions: "guard:jobs", subjects: STAFF } as const;

/**
 * The actions through which operators see and manage the queues of a service. A contract with jobs or durable events
 * has them, `actions: { ...queueActions("notes"), … }`; `implement` adds their handlers.
 */
export const queueActions = <const S extends string>(service: S) =>
  ({
    queues: {
      description: "The state of each queue of this service. Operators call GET /api/admin/jobs.",
      restricted: ["guard"],
      ...OPERATORS,
      safe: true,
      params: {},
      result: { type: "object", props: { items: { type: "array", items: QUEUE_STATE } } },
    },
    failedJobs: {
      rest: `GET /api/admin/jobs/${service}/failed`,
      description: `The jobs and events of the service ${service} that have failed and are not retried, the last one first.`,
      restricted: [GATEWAY],
      ...OPERATORS,
      params: { queue: "string|optional|max:200", ...PAGE_PARAMS },
      result: pageOf(FAILED_JOB),
    },
    retryJob: {
      rest: `POST /api/admin/jobs/${service}/failed/:id/retry`,
      description: "Runs a failed job, or delivers a failed event, once more.",
      restricted: [GATEWAY],
      ...OPERATORS,
      params: ID,
      result: null,
      errors: ["NotFound"],
    },
    discardJob: {
      rest: `DELETE /api/admin/jobs/${service}/failed/:id`,
      description:
        "Deletes a failed job or event, which is never handled then. In an ordered queue the next one follows.",
      restricted: [GATEWAY],
      ...OPERATORS,
      params: ID,
      result: null,
      errors: ["NotFound"],
    },
  }) as const;

/** The names of those actions. No other action of a service may have them. */
export type QueueActionName = keyof ReturnType<typeof queueActions>;

/** Whether a service has jobs or durable events, and so a queue and the actions for it. */
export const hasQueue = ({ emits = {}, jobs = {} }: ServiceContract): boolean =>
  Object.keys(jobs).length > 0 || Object.values(emits).some(({ durable }) => durable);
