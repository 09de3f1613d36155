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

/** A trail in memory that can be away. */
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

describe("a node's way into the audit trail", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("gathers entries, and stores those of each service together", async () => {
    const { trail, stored, logged } = makeTrail();
    for (const service of ["users", "auth", "users"]) trail.add(service, entry());
    await vi.runAllTimersAsync();
    expect(stored.map(([service, entries]) => [service, entries.length])).toEqual([
      ["users", 2],
      ["auth", 1],
    ]);
    expect(logged).toEqual([]);
  });

  it("keeps what cannot be stored, writes it to the log once, and stores it later", async () => {
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

  it("asks less and less often, also where each try takes its time", async () => {
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

  it("is not held up by an entry that is refused", async () => {
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

  it("writes to the log what it has no room for", async () => {
    const { trail, logged, fault } = makeTrail({ capacity: 2 });
    fault.error = new CitadelError("GuardNotAccessible");
    const entries = [entry(), entry(), entry()];
    for (const one of entries) trail.add("users", one);
    expect(logged).toEqual([entries[0]?.id]);
  });

  it("stores what waits when the node stops; what cannot be stored is in the log", async () => {
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

  it("does not wait for ever when the node stops", async () => {
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

describe("an audit entry", () => {
  const user = { sub: "u1", username: "alice", act: { sub: "a1", username: "admin" } };
  const client = { address: "192.0.2.1", userAgent: "curl" };

  it("says who asked, in whose name, from where and when", () => {
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

  it("names another actor than the user where it is told to", () => {
    const context = { meta: {}, locals: {} };
    const { actorId, actor } = toEntry(context, { event: "login.failed", actor: { id: "u3" } });
    expect([actorId, actor]).toEqual(["u3", undefined]);
  });
});
