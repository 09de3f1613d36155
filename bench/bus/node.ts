import type { ServiceSchema } from "moleculer";
import { guardService } from "moleculer-service-guard";
import { runChild, settings as read } from "../harness/child.ts";
import type { Load } from "./load.ts";
import { caller, callee, SERVICES } from "./services.ts";
import { BARE, makeBroker, type Side } from "./sides.ts";

// One node in a process of its own. The first argument names its services. The parent process sends it one load
// after the other, with which it calls the callee.

type Runs = "guard" | "caller" | "callee";

export interface NodeArguments {
  side: Side;
  namespace: string;
  /** The services that run in the process. */
  runs: [Runs, ...Runs[]];
  /** All services of the namespace. Default: those of services.ts. */
  services?: string[];
  url?: string;
  signingKey: string;
  credentials: Record<string, string>;
}

const settings = read() as NodeArguments;
const { side, runs, signingKey, credentials } = settings;

/** The bare side runs this service in place of the guard, so that both sides have the same number of nodes. */
const guard = (): ServiceSchema =>
  side === BARE ? { name: "guard" } : guardService({ signingKey });

const schemas = { guard, caller: () => caller, callee: () => callee };

const broker = makeBroker({
  ...settings,
  // the id of a node with several services belongs to none of them
  service: runs.length > 1 ? "node" : runs[0],
  services: settings.services ?? SERVICES,
  credential: (service) => credentials[service],
});
for (const name of runs) broker.createService(schemas[name]());

runChild<Load>({
  async started() {
    await broker.start();
    if (runs.includes("caller")) await broker.waitForServices("callee", 10_000, 50);
  },
  // the load lasts longer than the timeout of a call
  respond: (load) => broker.call("caller.run", load, { timeout: 0 }),
  stop: () => broker.stop(),
});
