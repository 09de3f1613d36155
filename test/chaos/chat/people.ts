import { type Client, createClient, type Entry, type Message } from "@citadel/client";
import { io } from "socket.io-client";
import type { Cluster } from "./cluster.ts";

/** A user with a client, and what the client has seen. */
export class Person {
  readonly name: string;
  readonly client: Client;
  id = "";
  /** The rooms that the user is a member of, and the lobby. */
  readonly rooms = new Set<string>();
  /** The entries that the client has given out, by room. */
  readonly seen = new Map<string, Entry[]>();
  /** Every event of a room that has arrived, as it came. */
  readonly arrived: { roomId: string; event: string; timestamp: string | undefined; at: number }[] =
    [];
  isOnline = true;

  constructor(name: string, url: string) {
    this.name = name;
    this.client = createClient({ url, io });
    for (const event of [
      "message",
      "message:updated",
      "message:deleted",
      "typing",
      "presence",
      "room:head",
    ] as const)
      this.client.on(
        event,
        (data: { roomId: string; timestamp?: string }) =>
          void this.arrived.push({
            roomId: data.roomId,
            event,
            timestamp: data.timestamp,
            at: Date.now(),
          }),
      );
  }

  /** Joins a room from its first entry on. */
  async join(roomId: string): Promise<void> {
    this.rooms.add(roomId);
    const room = this.client.room(roomId, { after: 0, keep: 100_000 });
    const seen: Entry[] = [];
    this.seen.set(roomId, seen);
    room.on("message", (message: Message) => void seen.push({ type: "message", ...message }));
    room.on("updated", (change) => void seen.push(change));
    room.on("deleted", (change) => void seen.push(change));
    await room.join();
  }

  close(): void {
    this.isOnline = false;
    this.client.close();
  }
}

/** Calls an action until it succeeds: a service may be restarting. */
export async function untilDone<T>(call: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await call();
    } catch (error) {
      const { code = 0 } = error as { code?: number };
      if (code !== 0 && code < 500 && code !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
}

/** Creates accounts, each with a client on one of the gateways. */
export async function makePeople({ gateways }: Cluster, count: number): Promise<Person[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const name = `person-${at + 1}`;
      const person = new Person(name, (gateways[at % gateways.length] as { url: string }).url);
      const email = `${name}@example.com`;
      const password = "correct horse battery";
      await untilDone(() => person.client.register({ username: name, email, password }));
      person.id = person.client.user?.id ?? "";
      return person;
    }),
  );
}

/** Creates private rooms, whose owners are different people, and adds members to each. */
export async function makeRooms(
  people: readonly Person[],
  { count, size, random }: { count: number; size: number; random: () => number },
): Promise<Map<string, Person[]>> {
  const rooms = new Map<string, Person[]>();
  for (let at = 0; at < count; at += 1) {
    const members = people
      .map((person) => ({ person, place: random() }))
      .toSorted((a, b) => a.place - b.place)
      .slice(0, size)
      .map(({ person }) => person);
    const [owner, ...others] = members as [Person, ...Person[]];
    const name = `Room ${at + 1}`;
    const { id } = await owner.client.call("chat.createRoom", { name, private: true });
    for (const { id: userId } of others) await owner.client.call("chat.addMember", { id, userId });
    rooms.set(id, members);
  }
  return rooms;
}
