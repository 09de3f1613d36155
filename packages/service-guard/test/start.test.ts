import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";

/** Brokers that must not start, and their errors. */
const CASES: [name: string, options: string, reason: RegExp][] = [
  [
    "with TCP",
    "transporter: new (sealed(Transporters.TCP))()",
    /cannot wrap TcpTransporter: TCP spreads/,
  ],
  [
    "with Redis' discoverer",
    'registry: { discoverer: "redis://127.0.0.1:1" }',
    /RedisDiscoverer announces nodes outside/,
  ],
  [
    "with etcd's discoverer",
    'registry: { discoverer: "etcd3://127.0.0.1:1" }',
    /Etcd3Discoverer announces nodes outside|'etcd3' package is missing/,
  ],
  [
    "with a transporter that is not sealed",
    'transporter: "nats://127.0.0.1:1"',
    /needs a sealed transporter/,
  ],
  ["without the guard's node id", 'nodeID: "a-1"', /nodeID: guard\.nodeID/],
  ["without the guard", "middlewares: []", /needs serviceGuard\. Put it into/],
  [
    "with what is no transporter",
    "transporter: sealed(class Some {})",
    /takes a transporter class/,
  ],
  ["without a list of services", "nodeID: serviceGuard({}).nodeID", /needs `services`/],
];

/**
 * Creates the brokers in a process of their own, since Moleculer ends the process in which it cannot create one.
 */
const SCRIPT = `
  import { ServiceBroker, Transporters } from "moleculer";
  import { serviceGuard, sealed } from "moleculer-service-guard";
  const said = [];
  let lines = [];
  console.error = (...parts) => lines.push(parts.join(" "));
  console.log = () => {};
  process.exit = (code) => lines.push("exit " + code);
  const make = (override) => {
    const guard = serviceGuard({ services: ["a"] });
    const nats = new (sealed(Transporters.NATS))("nats://127.0.0.1:1");
    const options = { nodeID: guard.nodeID, transporter: nats, middlewares: [guard], logLevel: "fatal" };
    try {
      new ServiceBroker({ ...options, ...override() });
    } catch (error) {
      lines.push(error.message, "exit 1");
    }
    said.push(lines.join("\\n"));
    lines = [];
  };
  ${CASES.map(([, options]) => `make(() => ({ ${options} }));`).join("\n")}
  process.stdout.write(JSON.stringify(said), () => process.kill(process.pid));
`;

describe("A broker refuses to start with a reason", () => {
  let said: string[];
  beforeAll(async () => {
    const args = ["--input-type=module", "--eval", SCRIPT];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: import.meta.dirname,
    }).catch((error: Error & { stdout: string }) => error);
    said = JSON.parse(stdout);
  });

  it.each(CASES.map(([name, , reason], at) => [name, at, reason] as const))(
    "%s",
    (_name, at, reason) => {
      expect(said[at]).toMatch(reason);
      expect(said[at]).toMatch(/exit 1$/);
    },
  );
});
