import { setTimeout } from "node:timers/promises";
import { planOf } from "../plan.ts";
import { startCluster } from "./cluster.ts";
import { faultsOf, runPlan } from "./faults.ts";
import {
  countDoubled,
  countLeaked,
  countLost,
  countSeen,
  countWrongPresence,
  countWrongUnread,
  type Judgement,
  Logs,
} from "./judgement.ts";
import { makePeople, makeRooms, type Person } from "./people.ts";
import { removeMembers } from "./removals.ts";
import { Writers } from "./writers.ts";

export interface RunOptions {
  readonly seed: number;
  readonly people: number;
  readonly rooms: number;
  /** The members of each room. */
  readonly size: number;
  /** The least number of messages. */
  readonly messages: number;
  /** Messages in a second. */
  readonly rate: number;
  /** How often each kind of kill happens. */
  readonly kills: number;
  /** The longest time between two faults, and that a killed node does not run, in milliseconds. */
  readonly longest: number;
  /** How long NATS and PostgreSQL are stopped, in milliseconds. */
  readonly outage: number;
  readonly report: (text: string) => void;
}

export interface Figures {
  readonly messages: number;
  readonly changes: number;
  /** Entries that all clients together have given out. */
  readonly seen: number;
  readonly faults: number;
  readonly removals: number;
  /** From the end of the load until each client had everything, in seconds. */
  readonly recovery: number;
}

/** How long clients may take to have everything after the last fault, in milliseconds. */
const SETTLING = 60_000;

/** How soon presence must be right, in milliseconds. */
const PRESENCE = 30_000;

const INTERVAL = 5_000;

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** People chat in several rooms while nodes and servers are killed; then the database and all clients are compared. */
export async function runChat(
  options: RunOptions,
): Promise<{ judgement: Judgement; figures: Figures }> {
  const { seed, kills, longest, outage, report } = options;
  const cluster = await startCluster();
  const random = randomOf(seed);
  const started = performance.now();
  const say = (text: string) =>
    report(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${text}`);
  let people: Person[] = [];
  let showing: NodeJS.Timeout | undefined;
  try {
    people = await makePeople(cluster, options.people);
    const rooms = await makeRooms(people, { count: options.rooms, size: options.size, random });
    await Promise.all(people.map((person) => person.join("lobby")));
    for (const [id, members] of rooms) await Promise.all(members.map((member) => member.join(id)));
    say(`${people.length} clients are connected, in ${rooms.size + 1} rooms`);

    const plan = planOf({ seed, faults: faultsOf(kills), longest });
    const faults = runPlan(plan, { cluster, outage, report: say });
    const { rate, messages: count } = options;
    const writers = new Writers({ people, rate, random, until: faults, count });
    showing = setInterval(() => say(`${writers.messages.length} messages acknowledged`), INTERVAL);
    const [removals] = await Promise.all([
      removeMembers(rooms, { pause: longest, until: faults }),
      writers.run(),
      faults,
    ]);
    clearInterval(showing);
    say(`${writers.messages.length} messages acknowledged, ${writers.refused} refused`);

    const over = performance.now();
    const { url } = cluster.postgres;
    let logs = await Logs.read(url);
    const isComplete = () => Object.values(countSeen(people, logs)).every((wrong) => wrong === 0);
    while (!isComplete() && performance.now() - over < SETTLING) {
      await setTimeout(200);
      logs = await Logs.read(url);
    }
    const recovery = (performance.now() - over) / 1_000;
    say(`the clients have everything after ${recovery.toFixed(1)} s`);

    const wrongUnread = await countWrongUnread(people);
    // some leave, and a gateway dies without a word
    for (const person of people.slice(0, 6)) person.close();
    const [gateway] = cluster.gateways;
    await gateway?.node.end("SIGKILL");
    await gateway?.node.start();
    const wrongPresence = await countWrongPresence(rooms, Date.now() + PRESENCE);
    return {
      judgement: {
        lost: countLost(logs, writers),
        doubled: countDoubled(logs),
        gaps: logs.gaps(),
        ...countSeen(people, logs),
        leaked: countLeaked(people, removals),
        wrongPresence,
        wrongUnread,
      },
      figures: {
        messages: writers.messages.length,
        changes: writers.edited.length + writers.deleted.length,
        seen: people.reduce((sum, { seen }) => sum + [...seen.values()].flat().length, 0),
        faults: plan.length,
        removals: removals.length,
        recovery,
      },
    };
  } finally {
    clearInterval(showing);
    for (const person of people) person.close();
    await cluster.stop();
  }
}
