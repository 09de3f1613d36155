import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AuditEntry, toEntry } from "../../../lib/audit/audit.ts";
import { AuditTrail } from "../../../lib/audit/audit-trail.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";

const entry = (): AuditEntry => ({
  id: randomUUID(),
  at: new Date().toISOString(),
  event: "login.succeeded",
});

/** A trail in memory that can fail. */
function makeTrail(options: { capacity?: number } = {}) {
  const stored: [service: string, entries: AuditEntry[]][] = [];
  const logged: string[] = [];
  const fault: { error?: unknown } = {};
  const trail = new AuditTrail({
    async store(service, entries) {
      if (fault.error) throw fault.error;
      stored.push([service, entries]);
    },
    log: ({ id }) => void logged.push(id),
    ...options,
  });
  const ids = () => stored.flatMap(([, entries]) => entries.map(({ id }) => id));
  return { trail, stored, logged, fault, ids };
}

describe("The queue of a node's audit entries", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("collects entries and stores those of each service together", async () => {
    const { trail, stored, logged } = makeTrail();
    for (const service of ["users", "auth", "users"]) trail.add(service, entry());
    await vi.runAllTimersAsync();
    expect(stored.map(([service, entries]) => [service, entries.length])).toEqual([
      ["users", 2],
      ["auth", 1],
    ]);
    expect(logged).toEqual([]);
  });

  it("keeps entries that cannot be stored, logs them once, and stores them later", async () => {
    const { trail, logged, fault, ids } = makeTrail();
    fault.error = new CitadelError("DatabaseNotAccessible");
    const [first, second] = [entry(), entry()];
    trail.add("users", first);
    trail.add("users", second);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(logged).toEqual([first.id, second.id]);
    expect(ids()).toEqual([]);
    delete fault.error;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ids()).toEqual([first.id, second.id]);
    expect(logged).toHaveLength(2);
  });

  it("retries with a growing backoff, also if each attempt takes long", async () => {
    let asked = 0;
    const trail = new AuditTrail({
      store: async () => {
        asked += 1;
        await new Promise((resolve) => setTimeout(resolve, 300));
        throw new CitadelError("GuardNotAccessible");
      },
      log: () => {},
    });
    for (let at = 0; at < 160; at++) {
      trail.add("users", entry());
      await vi.advanceTimersByTimeAsync(50);
    }
    // after 0.2, 1.5, 3.8 and 8.1 seconds
    expect(asked).toBeLessThanOrEqual(4);
  });

  it("continues after an entry that the guard refuses", async () => {
    const { trail, logged, fault, ids } = makeTrail();
    fault.error = new CitadelError("ServiceNotAuthorized");
    const [refused, good] = [entry(), entry()];
    trail.add("stranger", refused);
    await vi.runAllTimersAsync();
    delete fault.error;
    trail.add("users", good);
    await vi.runAllTimersAsync();
    expect(ids()).toEqual([good.id]);
    expect(logged).toEqual([refused.id]);
  });

  it("logs the oldest entries beyond its capacity", async () => {
    const { trail, logged, fault } = makeTrail({ capacity: 2 });
    fault.error = new CitadelError("GuardNotAccessible");
    const entries = [entry(), entry(), entry()];
    for (const one of entries) trail.add("users", one);
    expect(logged).toEqual([entries[0]?.id]);
  });

  it("stores the waiting entries when the node stops, and logs those that cannot be stored", async () => {
    const { trail, logged, fault, ids } = makeTrail();
    const [first, second, third] = [entry(), entry(), entry()];
    trail.add("users", first);
    await trail.close(1_000);
    expect(ids()).toEqual([first.id]);
    trail.add("users", second);
    expect(logged).toEqual([second.id]);

    const other = makeTrail();
    other.fault.error = new CitadelError("GuardNotAccessible");
    other.trail.add("users", third);
    await other.trail.close(1_000);
    expect(other.logged).toEqual([third.id]);
    expect(fault.error).toBeUndefined();
  });

  it("waits at most for the timeout when the node stops", async () => {
    const logged: string[] = [];
    const trail = new AuditTrail({
      store: () => new Promise(() => {}),
      log: ({ id }) => void logged.push(id),
    });
    const one = entry();
    trail.add("users", one);
    const closing = trail.close(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await closing;
    expect(logged).toEqual([one.id]);
  });
});

describe("An audit entry", () => {
  const user = { sub: "u1", username: "alice", act: { sub: "a1", username: "admin" } };
  const client = { address: "192.0.2.1", userAgent: "curl" };

  it("names the user, the impersonator, the client and the time", () => {
    const context = { requestID: "r1", meta: { client }, locals: { user } };
    const fact = { event: "roles.changed", subject: { id: "u2", name: "bob" } } as const;
    expect(toEntry(context, fact)).toEqual({
      id: expect.any(String),
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      event: "roles.changed",
      actorId: "u1",
      actor: "alice",
      impersonatorId: "a1",
      impersonator: "admin",
      subjectId: "u2",
      subject: "bob",
      address: "192.0.2.1",
      userAgent: "curl",
      requestId: "r1",
    });
  });

  it("names the actor of the fact instead of the user", () => {
    const context = { meta: {}, locals: {} };
    const { actorId, actor } = toEntry(context, { event: "login.failed", actor: { id: "u3" } });
    expect([actorId, actor]).toEqual(["u3", undefined]);
  });
});
