import { randomUUID } from "node:crypto";
import { type Change, type Message, type Page, RoomLog } from "@citadel/client";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupPermissions } from "../../../lib/tokens/access-token.ts";
import ChatService from "../../../services/chat/chat.service.ts";
import { startService } from "../../fixtures/service.ts";

// A property in the manner of Zulip's tests of its event system: a client that has an old state and is given what it missed
// must have the same state as a client that starts now, whatever happened in between.

const ALICE = {
  sub: randomUUID(),
  username: "alice",
  permissions: groupPermissions(["chat:write"]),
};

/** What happens next. `target` chooses a message, a client or an event among those that there are. */
type Step =
  | { readonly do: "send"; readonly count: number }
  | {
      readonly do: "edit" | "delete" | "deliver" | "lose" | "resume" | "stale page";
      readonly target: number;
    };

const target = fc.nat({ max: 1_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom("edit", "delete", "deliver", "deliver", "lose", "resume", "stale page"),
      target,
    }),
  },
);

/** A socket event on its way to one client. */
type Delivery = ({ readonly type: "message" } & Message) | Change;

describe("A client that was given what it has missed", () => {
  const chat = startService(ChatService, {
    as: ALICE,
    calls: { "users.name": { username: "alice" } },
  });

  /** As a client receives it: JSON has no undefined fields, which the type of the action's result allows. */
  const join = async (id: string, after: number) =>
    (await chat.call("chat.join", { id, after })) as Page & { seq: number };

  /** Reads the log as the protocol says: page by page, until it has the newest number. */
  async function catchUp(log: RoomLog, id: string): Promise<void> {
    for (let seq = Infinity; (log.last ?? 0) < seq;) {
      const after = log.last ?? 0;
      const page = await join(id, after);
      log.addPage(page, after);
      seq = page.seq;
    }
  }

  /** The events of a room since the last call, as sockets receive them. */
  function eventsOf(id: string) {
    let [messages, updates, deletions] = [0, 0, 0];
    return (): Delivery[] => {
      const inRoom = <T extends { roomId: string; epoch: number }>(all: T[]) =>
        all.filter(({ roomId }) => roomId === id).map(({ epoch: _epoch, ...event }) => event);
      const sent = inRoom(chat.emitted("chat.message")).slice(messages);
      const updated = inRoom(chat.emitted("chat.message.updated")).slice(updates);
      const deleted = inRoom(chat.emitted("chat.message.deleted")).slice(deletions);
      messages += sent.length;
      updates += updated.length;
      deletions += deleted.length;
      return [
        ...sent.map((event) => ({ type: "message" as const, ...event })),
        ...updated.map((event) => ({ type: "updated" as const, ...event })),
        ...deleted.map((event) => ({ type: "deleted" as const, ...event })),
      ];
    };
  }

  it("has the state of one that starts now, for all interleavings of operations, deliveries and disconnections", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const { id } = await chat.call(
          "chat.createRoom",
          { name: "Property" },
          { as: { ...ALICE, sub: randomUUID() } },
        );
        await chat.instance.db
          .insertInto("members")
          .values({ room_id: id, user_id: ALICE.sub, username: "alice", role: "member" })
          .execute();
        const clients = [0, 1, 2].map(() => ({
          log: new RoomLog({ after: 0 }),
          given: [] as number[],
          underway: [] as Delivery[],
          stale: [] as { page: Page; after: number }[],
        }));
        const messages: Message[] = [];
        const newEvents = eventsOf(id);
        const change = async (kind: "edit" | "delete", at: number) => {
          const message = messages[at % messages.length];
          if (!message) return;
          const params = { id, messageId: message.id };
          // a deleted message cannot be edited
          if (kind === "edit")
            await chat.call("chat.edit", { ...params, text: randomUUID() }).catch(() => {});
          else await chat.call("chat.remove", params);
        };
        const give = (client: (typeof clients)[number], entries: readonly { seq: number }[]) =>
          client.given.push(...entries.map(({ seq }) => seq));

        for (const next of steps) {
          if (next.do === "send")
            messages.push(
              ...(await Promise.all(
                Array.from({ length: next.count }, () =>
                  chat.call("chat.send", { id, text: randomUUID() }),
                ),
              )),
            );
          else if (next.do === "edit" || next.do === "delete") await change(next.do, next.target);
          else {
            const client = clients[next.target % clients.length]!;
            const { log, underway, stale } = client;
            const at = next.target % Math.max(underway.length, 1);
            if (next.do === "deliver" && underway[at]) give(client, log.add([underway[at]]));
            if (next.do === "lose") underway.splice(at, 1);
            if (next.do === "stale page") {
              // read now, delivered later
              const after = log.last ?? 0;
              stale.push({ page: await join(id, after), after });
            }
            if (next.do === "resume") {
              for (const { page, after } of stale.splice(0)) give(client, log.addPage(page, after));
              const before = log.last ?? 0;
              const page = await join(id, before);
              give(client, log.addPage(page, before));
            }
          }
          const events = newEvents();
          for (const { underway } of clients) underway.push(...events);
        }

        const fresh = new RoomLog({ after: 0 });
        await catchUp(fresh, id);
        for (const client of clients) {
          await catchUp(client.log, id);
          expect(client.log.last).toBe(fresh.last);
          expect(client.log.messages).toEqual(fresh.messages);
          // each once and in order
          expect(client.given).toEqual([...new Set(client.given)].toSorted((a, b) => a - b));
        }
        const { items } = await chat.call("chat.messages", { id, after: 0, limit: 100 });
        expect(fresh.messages.slice(0, 100)).toEqual(items);
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
