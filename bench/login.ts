import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ServiceBroker } from "moleculer";
import { serviceNames, SERVICES_DIR } from "../lib/contract/load.ts";
import { brokerOptions, configure } from "../moleculer.config.ts";
import type UsersService from "../services/users/users.service.ts";

// How logins affect other requests: the latency of a request with and without running logins in the same
// process, at the default bcrypt cost, in one run.

const options = parseArgs({ options: { quick: { type: "boolean", default: false } } }).values;
const PEOPLE = options.quick ? 10 : 50;
const PASSWORD = "correct horse battery";

const folder = mkdtempSync(join(tmpdir(), "citadel-bench-"));
const config = configure({
  NODE_ENV: "test",
  DATA_DIR: folder,
  PORT: "0",
  METRICS_PORT: "off",
  LOG_LEVEL: "silent",
  BCRYPT_COST: "12",
  ADMIN_PASSWORD: PASSWORD,
  // all requests come from one address
  RATE_LIMIT_ADDRESS: "off",
  RATE_LIMIT_PUBLIC: "off",
});
const broker = new ServiceBroker({ ...brokerOptions(config), skipProcessEventRegistration: true });
for (const name of serviceNames())
  broker.loadService(join(SERVICES_DIR, name, `${name}.service.ts`));
await broker.start();

const { server } = broker.getLocalService("api") as unknown as { server: Server };
const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;

const users = broker.getLocalService("users") as unknown as UsersService;
const passwordHash = await users.passwords.hash(PASSWORD);
const names = Array.from({ length: PEOPLE }, () => `user-${randomUUID().slice(0, 8)}`);
for (const username of names)
  await users.accounts.insert({
    username,
    email: `${username}@example.com`,
    passwordHash,
    roles: ["user"],
    subjectType: "EndUserAccount",
  });

async function signIn(username: string): Promise<number> {
  const response = await fetch(`${url}/api/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  await response.text();
  return response.status;
}

/** Sends one request after the other until `isOver`. @returns their latencies, in milliseconds */
async function latencies(isOver: (count: number) => boolean): Promise<number[]> {
  const result: number[] = [];
  while (!isOver(result.length)) {
    const started = performance.now();
    const response = await fetch(`${url}/api/posts`);
    await response.text();
    if (!response.ok) throw new Error(`GET /api/posts answered ${response.status}.`);
    result.push(performance.now() - started);
  }
  return result.toSorted((a, b) => a - b);
}

const at = (values: number[], share: number) => values[Math.floor(values.length * share)] ?? 0;

await latencies((count) => count === 500);
const idle = await latencies((count) => count === 1_000);

const statuses: number[] = [];
const started = performance.now();
const logins = Promise.all(names.map(async (name) => statuses.push(await signIn(name))));
const busy = await latencies(() => statuses.length === PEOPLE);
await logins;
const seconds = (performance.now() - started) / 1000;

const refused = statuses.filter((status) => status !== 200).length;
console.log(
  `${PEOPLE} logins at once at cost 12: ${seconds.toFixed(1)} s, ${refused} of them refused`,
);
console.log("GET /api/posts meanwhile, compared with an idle node:");
for (const [name, share] of [
  ["median", 0.5],
  ["99th percentile", 0.99],
] as const) {
  const [without, withLogins] = [at(idle, share), at(busy, share)];
  console.log(
    `${name.padEnd(32)} idle ${without.toFixed(2)} ms, meanwhile ${withLogins.toFixed(2)} ms, ratio ${(withLogins / without).toFixed(2)}`,
  );
}

await broker.stop();
rmSync(folder, { recursive: true });
