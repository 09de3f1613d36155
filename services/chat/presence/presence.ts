import type { ParamsOf } from "../../../lib/contract/calls.ts";
import type { ChatDb } from "../chat.database.ts";
import { type Pair, type Presence, PresenceRepository } from "./presence.repository.ts";

/** How often leases are checked, and the presence of the users whose presence has changed is announced again, in milliseconds. */
export const CHECK_INTERVAL = 4_000;

type Report = ParamsOf<"chat.reportPresence">;

/**
 * Which users are in which rooms, by what the gateways report. A change is announced as it is read after its commit, and once
 * more some seconds later: two gateways may report at the same time, and an announcement may be lost.
 */
export class RoomPresence {
  readonly #db: ChatDb;
  readonly #repository: PresenceRepository;
  readonly #announce: (presence: Presence) => Promise<void>;
  #changed: Pair[] = [];

  constructor(db: ChatDb, announce: (presence: Presence) => Promise<void>) {
    this.#db = db;
    this.#repository = new PresenceRepository(db);
    this.#announce = announce;
  }

  usersIn(roomId: string): Promise<string[]> {
    return this.#repository.usersIn(roomId);
  }

  /** Takes a gateway's report. @returns false if it does not fit to an earlier one, since the lease has ended */
  async report(nodeId: string, report: Report): Promise<boolean> {
    const changed = await this.#db
      .transaction()
      .execute((trx) => this.#repository.store(trx, nodeId, report));
    if (!changed) return false;
    this.#changed.push(...changed);
    await this.#announceAll(changed);
    return true;
  }

  /** Ends expired leases, and announces again what has changed since the last check. */
  async check(): Promise<void> {
    const again = this.#changed;
    const expired = await this.#db.transaction().execute((trx) => this.#repository.expire(trx));
    this.#changed = expired;
    await this.#announceAll([...again, ...expired]);
  }

  async #announceAll(pairs: readonly Pair[]): Promise<void> {
    for (const presence of await this.#repository.of(pairs)) await this.#announce(presence);
  }
}
