import { setTimeout } from "node:timers/promises";
import { type Person, untilDone } from "./people.ts";

/** A member who was removed from a room. */
export interface Removal {
  readonly person: Person;
  readonly roomId: string;
  /** When the response had arrived. The removal was committed before. */
  readonly at: number;
}

/** Removes one member of each of these rooms, one after the other, until `until` is settled. */
export async function removeMembers(
  rooms: ReadonlyMap<string, readonly Person[]>,
  { pause, until }: { pause: number; until: Promise<unknown> },
): Promise<Removal[]> {
  const removals: Removal[] = [];
  let isOver = false;
  const over = () => void (isOver = true);
  until.then(over, over);
  for (const [roomId, [owner, ...members]] of rooms) {
    await setTimeout(pause);
    const person = members.at(-1);
    if (isOver || !owner || !person) break;
    person.rooms.delete(roomId);
    await untilDone(() =>
      owner.client.call("chat.removeMember", { id: roomId, userId: person.id }),
    ).catch((error: { type?: string }) => {
      // an attempt without a response had removed the member
      if (error.type !== "NotFound") throw error;
    });
    removals.push({ person, roomId, at: Date.now() });
  }
  return removals;
}
