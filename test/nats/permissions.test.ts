import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type Context, Loggers, ServiceBroker, type ServiceSchema } from "moleculer";
import {
  GuardAuthority,
  guardService,
  makeSigningKey,
  memoryStore,
  sealed,
  serviceGuard,
} from "moleculer-service-guard";
import { connect, type NatsConnection } from "nats";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  vi,
} from "vitest";
import { natsConfig } from "../../lib/deployment/nats-config.ts";
import { NatsTransporter } from "../../lib/nats/transporter.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";
import { freePort, startNats } from "../helpers/servers.ts";

const NAMESPACE = "test";
const PREFIX = `MOL-${NAMESPACE}`;
const SERVICES = ["api", "guard", "posts", "users"];
const passwordOf = (service: string) => `password of ${service}`.replaceAll(" ", "-");
/** A text with the form of a node id. */
const idOf = (service: string) => `${service}.${"a".repeat(26)}`;

const signingKey = makeSigningKey();
const store = memoryStore();
const authority = new GuardAuthority({ signingKey, store });

/** Keeps the errors that a broker logs. */
class ErrorLog extends Loggers.Base<{ level?: "error" }> {
  readonly errors: unknown[][] = [];

  override getLogHandler() {
    return (type: string, args: unknown[]) => {
      if (type === "error" || type === "fatal") this.errors.push(args);
    };
  }
}

const ran = vi.fn<(event: string) => void>();
const schemas: Record<string, ServiceSchema> = {
  guard: guardService({ signingKey, store }),
  users: {
    name: "users",
    actions: {
      resolve: {
        restricted: ["posts"],
        handler: (ctx: Context<{ id: number }>) => ({ id: ctx.params.id, name: "Ann" }),
      },
      upload: {
        restricted: ["posts"],
        handler: (ctx: Context & { stream: Readable }) => text(ctx.stream),
      },
    },
    events: {
      "post.created": { restricted: ["posts"], handler: () => ran("post.created") },
    },
  } as unknown as ServiceSchema,
  posts: {
    name: "posts",
    actions: {
      create: {
        restricted: ["api"],
        async handler(ctx: Context) {
          const author = await ctx.call("users.resolve", { id: 1 });
          const stream = Readable.from([Buffer.from("in "), Buffer.from("parts")]);
          const file = await ctx.call("users.upload", {}, { stream } as never);
          await ctx.broadcast("post.created", {});
          return { author, file };
        },
      },
    },
  } as unknown as ServiceSchema,
  api: {
    name: "api",
    actions: {
      create: { restricted: null, handler: (ctx: Context) => ctx.call("posts.create") },
    },
  } as unknown as ServiceSchema,
};

describe.skipIf(!inject("natsUrl"))("NATS with the generated configuration", () => {
  let folder: string;
  let port: number;
  let nats: ChildProcess;
  let serverLog = "";
  let brokers: ServiceBroker[] = [];
  let proxy: Proxy | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "citadel-nats-"));
    const config = join(folder, "nats.conf");
    const users = SERVICES.map((name) => ({ name, password: passwordOf(name) }));
    writeFileSync(config, natsConfig(users, NAMESPACE));
    port = await freePort();
    nats = await startNats(port, ["-c", config, "-m", String(await freePort())]);
    nats.stderr!.on("data", (chunk: Buffer) => (serverLog += chunk.toString()));
  });
  afterEach(async () => {
    await Promise.all(brokers.map((broker) => broker.stop()));
    brokers = [];
    await proxy?.close();
    proxy = undefined;
    ran.mockClear();
  });
  afterAll(async () => {
    nats.kill();
    await once(nats, "exit");
    rmSync(folder, { recursive: true, force: true });
  });

  /** A node of a service, connected as the user of that service unless told otherwise. */
  const nodeOf = (service: string, { user = service, at = port } = {}) => {
    const credential = service === "guard" ? undefined : authority.generate(service).credential;
    const guard = serviceGuard({ services: SERVICES, service, credential: () => credential });
    const url = `nats://${user}:${passwordOf(user)}@127.0.0.1:${at}`;
    const logger = new ErrorLog();
    const broker = new ServiceBroker({
      namespace: NAMESPACE,
      nodeID: guard.nodeID,
      transporter: new (sealed(NatsTransporter))({ url, reconnectTimeWait: 50 }),
      middlewares: [guard],
      logger: logger as never,
      heartbeatInterval: 1,
      heartbeatTimeout: 60,
      internalServices: false,
    });
    broker.createService(schemas[service]!);
    brokers.push(broker);
    return Object.assign(broker, { errors: logger.errors });
  };

  const startAll = async () => {
    if (brokers.length === 0) for (const service of SERVICES) nodeOf(service);
    await Promise.all(brokers.map((broker) => broker.start()));
    await brokerOf("api").waitForServices(["posts", "users"]);
    await brokerOf("posts").waitForServices(["users"]);
  };
  const brokerOf = (service: string) =>
    brokers.find(({ nodeID }) => nodeID.startsWith(`${service}.`))!;

  const connectAs = (service: string) =>
    connect({ servers: `127.0.0.1:${port}`, user: service, pass: passwordOf(service) });

  it("lets each service call, emit, stream and ping as its contract allows", async () => {
    serverLog = "";
    await startAll();
    expect(await brokerOf("api").call("api.create")).toEqual({
      author: { id: 1, name: "Ann" },
      file: "in parts",
    });
    await expect.poll(() => ran.mock.calls).toEqual([["post.created"]]);
    expect(await brokerOf("api").ping(brokerOf("users").nodeID)).toBeTruthy();
    expect(serverLog).not.toMatch(/Violation/);
  });

  it("lets a node detect that the connection of another node has ended", async () => {
    proxy = await startProxy(port);
    for (const service of SERVICES) nodeOf(service, service === "users" ? { at: proxy.port } : {});
    await startAll();
    const { nodeID } = brokerOf("users");
    const isAvailable = () => brokerOf("posts").registry.nodes.get(nodeID)?.available;
    await expect.poll(isAvailable).toBe(true);
    proxy.cut();
    await brokerOf("posts")
      .call("users.resolve", { id: 1 }, { timeout: 5_000 })
      .catch(() => {});
    await expect.poll(isAvailable).toBe(false);
  });

  describe("refuses the NATS user of posts", () => {
    let client: NatsConnection;
    let other: NatsConnection;
    let refused: string[];
    let heard: string[];

    beforeAll(async () => {
      [client, other] = await Promise.all([connectAs("posts"), connectAs("users")]);
      void (async () => {
        for await (const { permissionContext: context } of client.status())
          if (context) refused.push(`${context.operation} ${context.subject}`);
      })();
    });
    beforeEach(() => {
      refused = [];
      heard = [];
    });
    afterAll(() => Promise.all([client.close(), other.close()]));

    const subscribe = (subject: string, queue?: string) =>
      client.subscribe(subject, {
        ...(queue && { queue }),
        callback: (error, message) => void (error ?? heard.push(message.subject)),
      });

    it.each([
      ...["users.>", "users.*", idOf("users"), "*", ">", "*.*", `*.${idOf("x").slice(2)}`].map(
        (subject) => `${PREFIX}.SEAL.${subject}`,
      ),
      ">",
      "*",
      "*.>",
      "*.*.*",
      "*.posts.*",
      `*.${idOf("posts")}`,
      `${PREFIX}.>`,
      `${PREFIX}.*`,
      `${PREFIX}.*.*.*`,
      "*.SEAL",
      "*.SEAL.posts.*",
      ...["UNDELIVERED.>", "UNDELIVERED.users.>", `UNDELIVERED.${idOf("users")}.>`].map(
        (subject) => `${PREFIX}.${subject}`,
      ),
      ...["INFO", "DISCOVER", "HEARTBEAT", "PING", "DISCONNECT", `REQ.${idOf("posts")}`].map(
        (subject) => `${PREFIX}.${subject}`,
      ),
      "MOL.SEAL",
      "MOL.INFO",
      "MOL-other.SEAL",
      `MOL-other.SEAL.${idOf("posts")}`,
      "$SYS.>",
      "$SYS.ACCOUNT.*.CONNECT",
      "$JS.>",
      "$JS.API.>",
      "$JS.EVENT.>",
      "_INBOX.>",
    ])("the subscription %s", async (subject) => {
      const subscriptions = [subscribe(subject)];
      await expect.poll(() => refused).toEqual([`subscription ${subject}`]);
      subscriptions.push(subscribe(subject, "group"));
      await expect.poll(() => refused).toHaveLength(2);
      other.publish(`${PREFIX}.SEAL.${idOf("users")}`);
      other.publish(`${PREFIX}.SEAL.${idOf("api")}`);
      await other.flush();
      await client.flush();
      expect(heard).toEqual([]);
      for (const subscription of subscriptions) subscription.unsubscribe();
    });

    it.each([
      ...["INFO", "DISCONNECT", "HEARTBEAT", `REQ.${idOf("users")}`, `RES.${idOf("users")}`].map(
        (subject) => `${PREFIX}.${subject}`,
      ),
      ...["users", "posts"].map(
        (service) => `${PREFIX}.UNDELIVERED.${idOf(service)}.${randomUUID()}.${idOf("api")}`,
      ),
      PREFIX,
      "MOL.SEAL",
      "MOL-other.SEAL",
      `MOL-other.SEAL.${idOf("users")}`,
      "anything",
      "$SYS.REQ.SERVER.PING",
      "$SYS.REQ.USER.INFO",
      "$JS.API.INFO",
      "_INBOX.anything",
      "$JS.API.STREAM.CREATE.posts",
      "$JS.API.STREAM.LIST",
    ])("to publish to %s", async (subject) => {
      client.publish(subject, "{}");
      await expect.poll(() => refused).toEqual([`publish ${subject}`]);
    });

    it("none of the subjects that posts needs", async () => {
      const own = [`${PREFIX}.SEAL`, `${PREFIX}.SEAL.${idOf("posts")}`];
      const subscriptions = own.map((subject) => subscribe(subject));
      for (const subject of [...own, `${PREFIX}.SEAL.${idOf("users")}`]) client.publish(subject);
      await expect.poll(() => heard).toEqual(own);
      expect(refused).toEqual([]);
      for (const subscription of subscriptions) subscription.unsubscribe();
    });
  });

  it.each([
    ["a client without a user", {}],
    ["an unknown user", { user: "chat", pass: passwordOf("chat") }],
    ["a user with the password of another user", { user: "posts", pass: passwordOf("users") }],
  ])("refuses the connection of %s", async (_client, options) => {
    const connecting = connect({ servers: `127.0.0.1:${port}`, ...options });
    await expect(connecting).rejects.toThrow(/Authorization/i);
  });

  it("does not stop a node that connects as another service's user, and the node logs what to do", async () => {
    await startAll();
    const stranger = nodeOf("posts", { user: "users" });
    const start = stranger.start();
    const refusals = () =>
      stranger.errors
        .filter(([, message]) => /NATS refuses a subscription.*NATS_URL/.test(String(message)))
        .map(([fields]) => (fields as { subject: string }).subject);
    await expect.poll(refusals).toContain(`${PREFIX}.SEAL.${stranger.nodeID}`);
    await expect.poll(() => refusals().length).toBe(2);
    await start;
    expect(await brokerOf("api").call("api.create")).toMatchObject({ file: "in parts" });
  });
});
