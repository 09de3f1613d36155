import { afterEach, describe, expect, it, vi } from "vitest";
import type {
  PresenceReport,
  ReportResult,
  WatchReport,
} from "../../../lib/contract/declarations/socket-rooms.ts";
import { ServicePresence } from "../../../services/api/sockets/rooms/service-presence.ts";
import { NodeReports } from "../../../services/api/sockets/rooms/node-reports.ts";

/** What a service's node responds to each report, in turn; then that it knows the gateway. */
function receive<R>(...responses: (ReportResult | Error)[]) {
  const reports: R[] = [];
  const send = async (report: R): Promise<ReportResult> => {
    reports.push(report);
    const response = responses.shift() ?? { isKnown: true };
    if (response instanceof Error) throw response;
    return response;
  };
  return { reports, send };
}

describe("A gateway's reports about its rooms", () => {
  const stops: (() => unknown)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
    vi.useRealTimers();
  });

  const start = (rooms: Set<string>, ...responses: (ReportResult | Error)[]) => {
    const { reports, send } = receive<WatchReport>(...responses);
    const node = new NodeReports({
      send,
      hasSockets: (room) => rooms.has(room),
      all: () => rooms,
    });
    stops.push(() => node.stop());
    return { reports, node };
  };

  it("begin with all rooms, then tell what changes", async () => {
    const rooms = new Set(["a"]);
    const { reports, node } = start(rooms);
    await node.whenKnown("a");
    rooms.add("b");
    rooms.delete("a");
    for (const room of ["a", "b", "c"]) node.change(room);
    await node.whenKnown("b");
    expect(reports).toEqual([
      { whole: true, added: ["a"], removed: [] },
      { whole: false, added: ["b"], removed: ["a"] },
    ]);
  });

  it("do not count a room as known while the report that it has no sockets is sent", async () => {
    const rooms = new Set(["a"]);
    const reports: WatchReport[] = [];
    const node: NodeReports = new NodeReports({
      send: async (report) => {
        reports.push(report);
        if (report.removed.length > 0) {
          // a socket joins before the response
          rooms.add("a");
          node.change("a");
          joined.resolve(node.whenKnown("a").then(() => reports.length));
        }
        return { isKnown: true };
      },
      hasSockets: (room) => rooms.has(room),
      all: () => rooms,
    });
    stops.push(() => node.stop());
    const joined = Promise.withResolvers<number>();
    await node.whenKnown("a");
    rooms.delete("a");
    node.change("a");
    expect(await joined.promise).toBe(3);
    expect(reports.at(-1)).toEqual({ whole: false, added: ["a"], removed: [] });
  });

  it("are not waited for in a room that has lost its sockets", async () => {
    const rooms = new Set(["a"]);
    const { node } = start(rooms);
    await node.whenKnown("a");
    rooms.add("b");
    node.change("b");
    const waiting = node.whenKnown("b");
    rooms.delete("b");
    await waiting;
  });

  it("begin anew when the node has forgotten the gateway", async () => {
    const rooms = new Set(["a"]);
    const { reports, node } = start(rooms, { isKnown: true }, { isKnown: false });
    await node.whenKnown("a");
    rooms.add("b");
    node.change("b");
    await node.whenKnown("b");
    expect(reports.at(-1)).toEqual({ whole: true, added: ["a", "b"], removed: [] });
    expect(reports).toHaveLength(3);
  });

  it("are repeated after a failure, and are sent when nothing changes", async () => {
    vi.useFakeTimers();
    const { reports } = start(new Set(["a"]), new Error("lost"));
    await vi.advanceTimersByTimeAsync(1_001);
    expect(reports).toHaveLength(2);
    expect(reports[1]).toMatchObject({ whole: true });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(reports[2]).toEqual({ whole: false, added: [], removed: [] });
  });
});

describe("A gateway's reports about present users", () => {
  afterEach(() => void vi.useRealTimers());

  const start = (...responses: (ReportResult | Error)[]) => {
    vi.useFakeTimers();
    const { reports, send } = receive<PresenceReport>(...responses);
    const presence = new ServicePresence(send);
    /** Waits until changes are reported. */
    const pause = () => vi.advanceTimersByTimeAsync(101);
    return { reports, presence, pause };
  };

  it("name a user with the first socket in a room, and after the last one has left", async () => {
    const { reports, presence, pause } = start();
    await pause();
    presence.join("garden", "alice", "1");
    presence.join("garden", "alice", "2");
    presence.join("attic", "bob", "3");
    await pause();
    presence.leave("garden", "alice", "1");
    presence.leave("garden", "alice", "unknown");
    await pause();
    presence.leave("garden", "alice", "2");
    // comes and goes: nothing changes
    presence.leave("attic", "bob", "3");
    presence.join("attic", "bob", "4");
    await pause();
    expect(reports).toEqual([
      { whole: true, present: [], absent: [] },
      {
        whole: false,
        present: [
          { room: "garden", users: ["alice"] },
          { room: "attic", users: ["bob"] },
        ],
        absent: [],
      },
      { whole: false, present: [], absent: [{ room: "garden", users: ["alice"] }] },
    ]);
    await presence.stop();
  });

  it("renew the lease, begin anew when it has ended, and are repeated after a failure", async () => {
    const { reports, presence, pause } = start(
      { isKnown: true },
      { isKnown: true },
      { isKnown: false },
      new Error("lost"),
    );
    presence.join("garden", "alice", "1");
    await pause();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(reports.at(-1)).toEqual({ whole: false, present: [], absent: [] });
    // its response says that the lease has ended; the next one is lost
    await vi.advanceTimersByTimeAsync(5_000);
    await pause();
    const whole = { whole: true, present: [{ room: "garden", users: ["alice"] }], absent: [] };
    expect(reports.at(-1)).toEqual(whole);
    const count = reports.length;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(reports.slice(count)).toEqual([whole]);
    await presence.stop();
    expect(reports.at(-1)).toEqual({ whole: true, present: [], absent: [] });
  });
});
