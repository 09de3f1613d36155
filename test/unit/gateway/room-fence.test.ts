import { describe, expect, it } from "vitest";
import { RoomFence } from "../../../services/api/sockets/rooms/room-fence.ts";

/** A fence, its checks, which end when the test says so, and what it has delivered. */
function makeFence() {
  const checks: (() => void)[] = [];
  const delivered: string[] = [];
  const fence = new RoomFence(() => new Promise((resolve) => checks.push(resolve)));
  const pass = (epoch: number, event: string) =>
    fence.pass("room", epoch, () => delivered.push(event));
  return { fence, checks, delivered, pass };
}

/** Lets the continuations of a settled check run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("The fence of a room", () => {
  it("delivers events of the epoch at which the sockets were permitted at once", () => {
    const { fence, checks, delivered, pass } = makeFence();
    fence.learn("room", 3);
    pass(3, "same");
    pass(2, "earlier");
    expect(delivered).toEqual(["same", "earlier"]);
    expect(checks).toEqual([]);
  });

  it("holds the first event after a removal, and all later ones, until the sockets are checked", async () => {
    const { fence, checks, delivered, pass } = makeFence();
    fence.learn("room", 3);
    pass(4, "after the removal");
    pass(3, "late");
    pass(4, "next");
    expect(delivered).toEqual([]);
    expect(checks).toHaveLength(1);
    checks[0]!();
    await settle();
    expect(delivered).toEqual(["after the removal", "late", "next"]);
    pass(4, "at once");
    expect(delivered.at(-1)).toBe("at once");
  });

  it("checks once for several removals before the check, and again for one during it", async () => {
    const { fence, checks, delivered, pass } = makeFence();
    fence.learn("room", 0);
    pass(1, "one");
    pass(2, "two");
    checks[0]!();
    await settle();
    // the second event arrived during the check, which began before its removal
    expect(delivered).toEqual(["one"]);
    expect(checks).toHaveLength(2);
    checks[1]!();
    await settle();
    expect(delivered).toEqual(["one", "two"]);
  });

  it("checks a room again when a socket was permitted before a removal that is known already", async () => {
    const { fence, checks, delivered, pass } = makeFence();
    fence.learn("room", 5);
    fence.learn("room", 4);
    pass(5, "event");
    expect(delivered).toEqual([]);
    checks[0]!();
    // permitted before the removal, joined during the check: it was not among the checked sockets
    fence.learn("room", 4);
    await settle();
    expect(checks).toHaveLength(2);
    checks[1]!();
    await settle();
    expect(delivered).toEqual(["event"]);
  });

  it("checks the sockets of a room of which it knows nothing", async () => {
    const { checks, delivered, pass } = makeFence();
    pass(0, "event");
    expect(delivered).toEqual([]);
    checks[0]!();
    await settle();
    expect(delivered).toEqual(["event"]);
  });

  it("forgets a room that loses its last socket while it is checked, unless another one joins", async () => {
    const { fence, checks, delivered, pass } = makeFence();
    for (const joins of [false, true]) {
      fence.learn("room", 1);
      pass(2, "removal");
      fence.forget("room");
      if (joins) fence.learn("room", 2);
      checks.at(-1)!();
      await settle();
      const count = checks.length;
      pass(2, "next");
      // a forgotten room is checked again
      expect(checks.length - count).toBe(joins ? 0 : 1);
      checks.at(-1)!();
      await settle();
      fence.forget("room");
    }
    expect(delivered).toEqual(["removal", "next", "removal", "next"]);
  });

  it("forgets a room without sockets", () => {
    const { fence, checks, pass } = makeFence();
    fence.learn("room", 5);
    fence.forget("room");
    fence.learn("room", 4);
    pass(5, "event");
    expect(checks).toHaveLength(1);
  });
});
