import type { Context, ServiceBroker, ServiceSchema } from "moleculer";
import type { Server } from "../harness/processes.ts";
import { rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row } from "../harness/suite.ts";
import { startNode } from "./processes.ts";
import { BARE, makeBroker, type Side, SIDES } from "./sides.ts";
import { credentialsOf, signingKey } from "./topology.ts";
import { measureInTurn } from "./turns.ts";

const COUNT = 100;
const NAMESPACES: Record<Side, string> = { [BARE]: "start-a", [OURS]: "start-b" };

const names = Array.from({ length: COUNT }, (_, at) => `service-${at}`);
const next = (at: number): string => names[(at + 1) % COUNT] ?? "";
const previous = (at: number): string => names.at(at - 1) ?? "";

/** 100 brokers in this process that start at once, until each of them has called another over NATS. */
export async function startAtOnce(
  context: BenchContext,
  nats: Server,
  rounds: number,
): Promise<Row[]> {
  const credentials = credentialsOf(names);
  for (const side of SIDES)
    await startNode({
      side,
      namespace: NAMESPACES[side],
      runs: ["guard"],
      services: names,
      url: nats.url,
      signingKey,
      credentials: {},
    });

  const measure = async (side: Side): Promise<number> => {
    const brokers = names.map((service, at) => {
      const broker = makeBroker({
        side,
        namespace: NAMESPACES[side],
        service,
        services: names,
        credential: (name) => credentials[name],
        url: nats.url,
      });
      broker.createService({
        name: service,
        actions: {
          ping: { restricted: [previous(at)], handler: () => "pong" },
          callNext: { restricted: null, handler: (ctx: Context) => ctx.call(`${next(at)}.ping`) },
        },
      } as ServiceSchema);
      return broker;
    });
    const started = performance.now();
    await Promise.all(brokers.map(startAndCall));
    const seconds = (performance.now() - started) / 1_000;
    await Promise.all(brokers.map((broker) => broker.stop()));
    return seconds;
  };
  return rowsOf(
    `${COUNT} brokers in one process start, and each calls another`,
    await measureInTurn(context, rounds, measure),
    [{ name: "duration", unit: "s", of: (seconds) => seconds }],
    { [OURS]: { duration: { atMost: 10 } } },
  );
}

async function startAndCall(broker: ServiceBroker, at: number): Promise<void> {
  await broker.start();
  await broker.waitForServices(next(at), 60_000, 20);
  await broker.call(`${names[at]}.callNext`);
}
