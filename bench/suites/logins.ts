import { randomUUID } from "node:crypto";
import { serviceNames } from "../../lib/contract/load.ts";
import { startApplication } from "../citadel/application.ts";
import { rowsOf } from "../harness/rounds.ts";
import { quantile } from "../harness/statistics.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";

// How logins affect other requests: 50 users sign in at once, at the cost of password hashing that ships, while another
// client reads posts in the same process.

const PASSWORD = "correct horse battery";
const IDLE = "the same node, idle";

async function run({ quick, progress, nodeOptions }: BenchContext): Promise<Row[]> {
  const people = quick ? 20 : 50;
  const application = await progress.step("one process starts", () =>
    startApplication({ processes: [serviceNames()], nodeOptions, env: { BCRYPT_COST: "" } }),
  );
  const { url } = application;
  const usernames = Array.from({ length: people }, () => `user-${randomUUID().slice(0, 8)}`);
  await application.createAccounts({ usernames, password: PASSWORD });

  await readPosts(url, (count) => count === 500);
  const idle = await progress.step("an idle node", () =>
    readPosts(url, (count) => count === (quick ? 500 : 1_000)),
  );
  const statuses: number[] = [];
  const started = performance.now();
  const [busy, seconds] = await progress.step(`${people} logins at once`, () =>
    Promise.all([
      readPosts(url, () => statuses.length === people),
      Promise.all(
        usernames.map(async (username) => statuses.push(await signIn(url, username))),
      ).then(() => (performance.now() - started) / 1_000),
    ]),
  );
  const refused = statuses.filter((status) => status !== 200).length;
  return [
    ...rowsOf(
      `${people} logins at once`,
      new Map([[OURS, [{ refused, seconds }]]]),
      [
        { name: "refused", unit: "logins", of: (one) => one.refused },
        { name: "duration", unit: "s", of: (one) => one.seconds },
      ],
      { [OURS]: { refused: { atMost: 0 }, duration: { atMost: 10 } } },
    ),
    ...rowsOf(
      `GET /api/posts meanwhile, one at a time`,
      new Map([
        [OURS, [busy]],
        [IDLE, [idle]],
      ]),
      [
        { name: "p50", unit: "ms", of: (latencies) => quantile(latencies, 0.5) },
        { name: "p99", unit: "ms", of: (latencies) => quantile(latencies, 0.99) },
      ],
      { [IDLE]: { p99: { atMost: 2 } } },
    ),
  ];
}

async function signIn(url: string, username: string): Promise<number> {
  const response = await fetch(`${url}/api/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  await response.text();
  return response.status;
}

/** Sends one request after the other until `isOver`. @returns their sorted latencies, in milliseconds */
async function readPosts(url: string, isOver: (count: number) => boolean): Promise<number[]> {
  const latencies: number[] = [];
  while (!isOver(latencies.length)) {
    const started = performance.now();
    const response = await fetch(`${url}/api/posts`);
    await response.text();
    if (!response.ok) throw new Error(`GET /api/posts responded ${response.status}.`);
    latencies.push(performance.now() - started);
  }
  return latencies.toSorted((a, b) => a - b);
}

export const suite: Suite = {
  name: "logins",
  order: 4,
  isQuick: true,
  description: "50 logins at once, and what they cost other requests",
  method: `All services run in one process with the embedded database, at the cost of password hashing that ships. 50 users sign in at once
while another client reads posts, one request after the other; the latencies are compared with those of the same process when idle.`,
  run,
};
