import { once } from "node:events";
import { connect } from "node:net";
import { Writable } from "node:stream";
import { ServiceBroker } from "moleculer";
import { afterEach, describe, expect, it } from "vitest";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { count, metricsMixin } from "../../../lib/metrics/metrics.ts";
import { metricsMiddleware } from "../../../middlewares/metrics.ts";
import { metricsOptions } from "../../../lib/metrics/prometheus.ts";
import { freePort } from "../../helpers/servers.ts";

/** A service that the application does not have. */
const notes: ServiceContract = {
  name: "notes",
  actions: {},
  metrics: {
    "notes.created.total": { type: "counter", description: "Notes." },
    "notes.shared.total": {
      type: "counter",
      description: "Shared notes.",
      labels: { to: ["user", "room"] },
    },
  },
};

/** As a service outside services/ calls it: the types know the metrics of services/ only. */
const countAny: (ctx: { broker: ServiceBroker }, name: string, labels?: object) => void = count;

describe("The metrics of a node", () => {
  const brokers: ServiceBroker[] = [];
  afterEach(async () => {
    await Promise.all(brokers.splice(0).map((broker) => broker.stop()));
  });

  const warnings: any[] = [];
  const log = new Writable({
    write(line: Buffer, _encoding, done) {
      warnings.push(JSON.parse(line.toString()));
      done();
    },
  });

  const start = async (metricsPort: number | undefined) => {
    const pino = { options: { level: "warn" }, destination: log };
    const broker = new ServiceBroker({
      nodeID: "node-1",
      logger: { type: "Pino", options: { level: "warn", pino } },
      skipProcessEventRegistration: true,
      metrics: metricsOptions({ metricsPort, production: false, host: "0.0.0.0" }),
      internalMiddlewares: false,
      middlewares: [metricsMiddleware as never],
    });
    broker.createService({ name: "notes", mixins: [metricsMixin(notes)] });
    brokers.push(broker);
    await broker.start();
    return broker;
  };

  const read = async (port: number, path = "/metrics") => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };

  it("are served with those of the contracts in the format of Prometheus", async () => {
    const port = await freePort();
    const broker = await start(port);
    countAny({ broker }, "notes.created.total");
    countAny({ broker }, "notes.created.total");
    countAny({ broker }, "notes.shared.total", { to: "room" });
    const { text } = await read(port);
    expect(text).toContain("# HELP notes_created_total Notes.\n# TYPE notes_created_total counter");
    expect(text).toMatch(/^notes_created_total\{.*nodeID="node-1"\} 2$/m);
    expect(text).toMatch(/^notes_shared_total\{.*to="room"\} 1$/m);
    expect(text).toMatch(/^process_memory_rss\{/m);
    expect((await read(port, "/")).status).toBe(404);
  });

  it("count each call of an action by its caller, its errors and its duration", async () => {
    const port = await freePort();
    const broker = await start(port);
    broker.createService({
      name: "counted",
      actions: {
        work: () => "done",
        fail() {
          throw new Error("Failed.");
        },
      },
    });
    await broker.waitForServices("counted");
    for (let call = 0; call < 3; call++) await broker.call("counted.work");
    await expect(broker.call("counted.fail")).rejects.toThrow("Failed.");
    const { text } = await read(port);
    const valueOf = (name: string, action: string) =>
      new RegExp(`^${name}\\{[^}]*action="counted\\.${action}"[^}]*\\} (\\d+)$`, "m").exec(
        text,
      )?.[1];
    expect(valueOf("moleculer_request_total", "work")).toBe("3");
    const total = (broker.metrics as any).getMetric("moleculer.request.total");
    const labels = { service: "counted", action: "counted.work", caller: null, type: "local" };
    expect(total.get(labels).rate.value).toBe(3);
    expect(valueOf("moleculer_request_active", "work")).toBe("0");
    expect(valueOf("moleculer_request_time_count", "work")).toBe("3");
    expect(valueOf("moleculer_request_total", "fail")).toBe("1");
    expect(valueOf("moleculer_request_error_total", "fail")).toBe("1");
    expect(text).not.toMatch(/^moleculer_transporter_packets_sent_total\{/m);
  });

  it("show neither the command line nor the machine's user and addresses", async () => {
    const port = await freePort();
    await start(port);
    const { text } = await read(port);
    expect(text).not.toMatch(/^(process_arguments|os_)/m);
    expect(text).not.toContain(process.argv[1]);
  });

  it("are served on the loopback address only in development, whatever HOST is", async () => {
    const broker = await start(await freePort());
    const [{ server }] = (broker.metrics as any).reporter;
    await expect.poll(() => server.address()?.address).toBe("127.0.0.1");
  });

  it("do not delay the stop of the node while a client keeps a connection open", async () => {
    const port = await freePort();
    const broker = await start(port);
    await read(port);
    const client = connect(port, "127.0.0.1");
    await once(client, "connect");
    client.write("GET /metrics HTTP/1.1\r\n");
    const closed = once(client, "close");
    await broker.stop();
    await closed;
  });

  it("are off, and counting does nothing, where METRICS_PORT is 'off'", async () => {
    const broker = await start(undefined);
    expect(broker.isMetricsEnabled()).toBe(false);
    expect(() => countAny({ broker }, "notes.created.total")).not.toThrow();
  });

  it("are not served where the port is in use, and the node starts and stops", async () => {
    const port = await freePort();
    await start(port);
    await start(port);
    await expect.poll(() => warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      msg: "The metrics cannot be served. Set METRICS_PORT to a free port, or to 'off'.",
      err: { code: "EADDRINUSE" },
    });
  });
});
