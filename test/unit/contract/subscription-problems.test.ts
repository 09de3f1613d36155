import { describe, expect, it } from "vitest";
import { mustBeKnown } from "../../../lib/access/contract-problems.ts";
import { mustBeSound } from "../../../lib/access/must-be-sound.ts";
import { mustBeQueueable } from "../../../lib/access/queue-problems.ts";
import { mustBeSubscribable } from "../../../lib/access/subscription-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { papers } from "../../helpers/papers.ts";

const { params } = papers.emits["papers.published"];
const SUBSCRIBE = { auth: "required", visible: "all" };

const withPapers = (change: Partial<ServiceContract>) =>
  new Map<string, ServiceContract>([...loadContracts(), ["papers", { ...papers, ...change }]]);

/** Contracts with an event that declares this. */
const emitting = (emit: object, more: Partial<ServiceContract> = {}) =>
  withPapers({
    ...more,
    emits: {
      "papers.read": { description: "A paper was read.", params, ...emit },
    },
  });

const check =
  (subscribe: object, emit: object = {}, more: Partial<ServiceContract> = {}) =>
  () =>
    mustBeSubscribable(emitting({ subscribe: { ...SUBSCRIBE, ...subscribe }, ...emit }, more));

describe("The check of subscriptions at the start", () => {
  it("accepts the contracts of the application and of the papers", () => {
    expect(() => mustBeSubscribable(withPapers({}))).not.toThrow();
  });

  it.each([[undefined], ["everyone"], [null], [{}], [{ team: "x" }]])(
    "refuses an event that is visible to %j",
    (visible) => {
      expect(check({ visible })).toThrow("event 'papers.read' of 'papers' needs 'visible'");
    },
  );

  it("refuses a user, a room or a filter that is no field of the event", () => {
    expect(check({ visible: { user: "userId" } })).toThrow("needs 'userId'");
    expect(check({ visible: { room: "constructor" } })).toThrow("needs 'constructor'");
    expect(check({ params: { userId: "uuid|optional" } })).toThrow("has no field 'userId'");
    expect(check({ params: { toString: "string|optional" } })).toThrow("has no field 'toString'");
  });

  it("refuses an event for rooms of a service without rooms", () => {
    const visible = { room: "paperId" };
    expect(check({ visible })).not.toThrow();
    expect(check({ visible }, {}, { rooms: undefined as never })).toThrow("must declare 'rooms'");
  });

  it.each([
    [{ pages: "number" }, "needs an optional filter 'pages'"],
    [{ pages: { type: "number", optional: true, nullable: true } }, "without null"],
    [{ pages: { type: "number", optional: true, default: 1 } }, "without a default"],
    [{ pages: "string|optional" }, "needs one simple type for 'pages'"],
    [{ authors: { type: "array", items: "string", optional: true } }, "for 'authors'"],
  ])("refuses the filter %j", (filter, problem) => {
    expect(check({ params: filter })).toThrow(problem);
  });

  it.each([[undefined], ["none"], ["optional"]])("refuses auth: %j", (auth) => {
    expect(check({ auth })).toThrow(`needs 'auth: "required"'`);
  });

  it.each([[[]], ["UserAccount"], [["Nobody"]]])("refuses the subjects %j", (subjects) => {
    expect(check({ subjects })).toThrow("needs a list of subject types");
  });

  it("refuses an event with 'socket' as well, or one that another service emits", () => {
    expect(check({}, { socket: { event: "paper:read", to: "all" } })).toThrow("only one of them");
    const emits = { "posts.created": papers.emits["papers.published"] };
    expect(() => mustBeSubscribable(withPapers({ emits }))).toThrow("also emitted by posts");
  });

  it("refuses a redacted field, at any depth", () => {
    for (const field of ["pages", "name"])
      expect(check({}, {}, { redacted: [field] })).toThrow(`'${field}', which is redacted`);
  });

  it("refuses a durable event that does not reach every gateway", () => {
    const queued = (emit: object) => () =>
      mustBeQueueable(emitting({ subscribe: SUBSCRIBE, durable: true, ...emit }));
    expect(queued({})).toThrow("it must have 'broadcast'");
    expect(queued({ broadcast: true })).not.toThrow();
  });

  it("refuses unknown keys, permissions and roles", () => {
    const known = (subscribe: object) => () =>
      mustBeKnown(emitting({ subscribe: { ...SUBSCRIBE, ...subscribe } }).values());
    expect(known({})).not.toThrow();
    expect(known({ permission: "posts:write" })).toThrow("unknown key 'permission'");
    expect(known({ restricted: ["api"] })).toThrow("unknown key 'restricted'");
    expect(known({ roles: [] })).toThrow("must have a list of roles");
    expect(known({ params: { pages: "numbr|optional" } })).toThrow("unknown type 'numbr'");
    const all = (subscribe: object) => () =>
      mustBeSound(emitting({ subscribe: { ...SUBSCRIBE, ...subscribe } }), new Map(), {
        strictPermissions: false,
        production: false,
      });
    expect(all({ permissions: "papers:judge" })).toThrow("needs papers:judge, which no contract");
    expect(all({ roles: ["judge"] })).toThrow("needs the role judge, but there is no such role");
  });
});
