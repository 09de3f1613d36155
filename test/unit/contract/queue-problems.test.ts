import { describe, expect, it } from "vitest";
import { mustBeQueueable } from "../../../lib/access/queue-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";

/** As JavaScript or a cast could bring it. */
const contractWith = (part: object, name = "notes") =>
  [name, { name, actions: {}, ...part } as unknown as ServiceContract] as const;

const EVENT = {
  description: "A note.",
  params: { id: "uuid", by: "uuid|optional" },
  durable: true,
};
const JOB = { description: "Prints a note.", params: { id: "uuid" } };

const events = (event: object, name = "note.created") => ({ emits: { [name]: event } });
const jobs = (job: object, name = "print") => ({ jobs: { [name]: { ...JOB, ...job } } });

describe("A contract", () => {
  it.each([
    [
      "an ordered event that is not durable",
      events({ ...EVENT, durable: undefined, orderBy: "id" }),
      /not durable/,
    ],
    [
      "a broadcast that is not durable",
      events({ ...EVENT, durable: undefined, broadcast: true }),
      /not durable/,
    ],
    ["an order by an unknown parameter", events({ ...EVENT, orderBy: "title" }), /'title'/],
    ["an order by an optional parameter", events({ ...EVENT, orderBy: "by" }), /'by'/],
    ["an ordered broadcast", events({ ...EVENT, broadcast: true, orderBy: "id" }), /no order/],
    [
      "a durable socket event without broadcast",
      events({ ...EVENT, socket: { event: "note", to: "all" } }),
      /'broadcast'/,
    ],
    ["an event with a bad name", events(EVENT, "note created"), /a name of letters/],
    ["a job with a bad name", jobs({}, "print it"), /a name of letters/],
    [
      "a scheduled job with a required parameter",
      jobs({ schedule: "0 3 * * *" }),
      /no required parameters/,
    ],
    ["a schedule of six fields", jobs({ params: {}, schedule: "0 0 3 * * *" }), /five fields/],
    ["no concurrency", jobs({ concurrency: 0 }), /concurrency/],
    ["a timeout below a second", jobs({ timeout: 10 }), /timeout/],
    ["a negative number of retries", jobs({ retry: { limit: -1 } }), /retry limit/],
    ["a retry delay below a second", jobs({ retry: { delay: 10 } }), /retry delays/],
  ])("with %s is refused", (_what, part, message) => {
    expect(() => mustBeQueueable(new Map([contractWith(part)]))).toThrow(message);
  });

  it("is refused if another one emits the same durable event", () => {
    const both = [contractWith(events(EVENT)), contractWith(events(EVENT), "tags")];
    expect(() => mustBeQueueable(new Map(both))).toThrow(/another service emits it/);
  });

  it("is refused if it handles a durable event with a user", () => {
    const handler = { events: { "note.created": { restricted: ["notes"], auth: "required" } } };
    const both = [contractWith(events(EVENT)), contractWith(handler, "tags")];
    expect(() => mustBeQueueable(new Map(both))).toThrow(/no access token/);
  });

  it("may have durable events and jobs", () => {
    const part = {
      ...events({ ...EVENT, orderBy: "id" }),
      ...jobs({ params: {}, schedule: "0 3 * * *", retry: { limit: 3, delay: 5_000 } }),
    };
    expect(() => mustBeQueueable(new Map([contractWith(part)]))).not.toThrow();
  });
});
