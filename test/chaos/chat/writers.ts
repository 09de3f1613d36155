import { setTimeout } from "node:timers/promises";
import type { Message } from "@citadel/client";
import type { Person } from "./people.ts";

/** What an edit adds to the text. */
export const EDITED = ", edited";

export interface WriterOptions {
  readonly people: readonly Person[];
  /** Messages in a second, of all together. */
  readonly rate: number;
  readonly random: () => number;
  /** They write until this is settled, and until `count` messages are written. */
  readonly until: Promise<unknown>;
  readonly count: number;
}

/** People who write, edit, delete, read and type at random, and what was acknowledged. */
export class Writers {
  readonly messages: Message[] = [];
  readonly edited: Message[] = [];
  readonly deleted: Message[] = [];
  /** Messages that were refused, since their author was removed from the room. */
  refused = 0;
  readonly #options: WriterOptions;
  readonly #outstanding = new Set<Promise<void>>();
  #isOver = false;
  #started = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { people, rate, until, count } = this.#options;
    const over = () => void (this.#isOver = true);
    until.then(over, over);
    const pause = (people.length * 1_000) / rate;
    await Promise.all(
      people.map(async (person) => {
        await setTimeout(pause * this.#options.random());
        while (!this.#isOver || this.#started < count) {
          this.#act(person);
          await setTimeout(pause * (0.5 + this.#options.random()));
        }
      }),
    );
    await Promise.all(this.#outstanding);
  }

  #act(person: Person): void {
    const { random } = this.#options;
    const rooms = [...person.rooms];
    const room = person.client.room(rooms[Math.floor(random() * rooms.length)] ?? "lobby");
    this.#started += 1;
    const dice = random();
    if (dice < 0.1) room.typing();
    if (dice > 0.9) room.read();
    const work = this.#write(room.send(`message ${this.#started} of ${person.name}`).stored, room);
    this.#outstanding.add(work);
    void work.finally(() => this.#outstanding.delete(work));
  }

  async #write(
    stored: Promise<Message>,
    room: ReturnType<Person["client"]["room"]>,
  ): Promise<void> {
    const message = await stored.catch(() => undefined);
    if (!message) return void (this.refused += 1);
    this.messages.push(message);
    const dice = this.#options.random();
    // without an acknowledgement it is unknown whether the change was committed
    if (dice < 0.1) {
      const changed = await room
        .edit(message.id, `${message.text}${EDITED}`)
        .catch(() => undefined);
      if (changed) this.edited.push(changed);
    } else if (dice < 0.15) {
      const changed = await room.remove(message.id).catch(() => undefined);
      if (changed) this.deleted.push(changed);
    }
  }
}
