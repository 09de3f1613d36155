import { describe, expect, it } from "vitest";
import { mustBeKnown } from "../../../lib/access/contract-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { queueActions } from "../../../lib/contract/queue-actions.ts";
import { orders } from "../../fixtures/queue/orders.contract.ts";

const JOBS = { clean: { description: "Cleans up.", params: {} } };
const DURABLE = { "note.created": { description: "A note.", params: {}, durable: true } };

/** As JavaScript or a cast could bring it. */
const notes = (part: object) => ({ name: "notes", actions: {}, ...part }) as ServiceContract;

describe("A contract with jobs or durable events", () => {
  it("has the actions of queueActions", () => {
    expect(() => mustBeKnown([orders])).not.toThrow();
  });

  it.each([{ jobs: JOBS }, { emits: DURABLE }])("is refused without them: %j", (part) => {
    expect(() => mustBeKnown([notes(part)])).toThrow(
      `'notes' has jobs or durable events: add ...queueActions("notes") to its actions`,
    );
  });

  it("is refused without one of them, or with another access to it", () => {
    const { failedJobs, ...others } = queueActions("notes");
    const open = { ...failedJobs, permissions: "notes:read" };
    for (const actions of [others, { ...others, failedJobs: open }])
      expect(() => mustBeKnown([notes({ jobs: JOBS, actions })])).toThrow(
        'notes.failedJobs must be that of ...queueActions("notes"), unchanged',
      );
  });

  it("is refused with those of another service", () => {
    expect(() => mustBeKnown([notes({ jobs: JOBS, actions: queueActions("tags") })])).toThrow(
      `notes.failedJobs must be that of ...queueActions("notes"), unchanged`,
    );
  });
});

describe("A contract without jobs and durable events", () => {
  it("is refused with an action of that name", () => {
    expect(() => mustBeKnown([notes({ actions: queueActions("notes") })])).toThrow(
      "notes.retryJob is for a service with jobs or durable events",
    );
  });
});

describe("A redacted field", () => {
  it("may be a job's parameter", () => {
    const jobs = { send: { description: "Sends.", params: { code: "string" } } };
    const actions = queueActions("notes");
    expect(() => mustBeKnown([notes({ jobs, actions, redacted: ["code"] })])).not.toThrow();
    expect(() => mustBeKnown([notes({ jobs, actions, redacted: ["cod"] })])).toThrow(/'cod'/);
  });
});
