import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import * as moleculer from "moleculer";
import type { BrokerOptions, Context, ServiceBroker, ServiceSchema } from "moleculer";
import * as moleculer14 from "moleculer-0.14";
import { inject } from "vitest";
import {
  type CredentialStore,
  GuardAuthority,
  guardService,
  makeSigningKey,
  memoryStore,
  sealed,
  serviceGuard,
  type ServiceGuardOptions,
} from "../../src/index.ts";
import { guardNodeOf } from "../../src/node/attachment.ts";
import type { GuardNode } from "../../src/node/guard-node.ts";

// Both versions add the same methods to Promise. 0.15, which is loaded first, leaves out a class that 0.14 needs.
(moleculer as any).Utils.polyfillPromise(Promise);
(Promise as any).TimeoutError ??= (moleculer.Errors as any).TimeoutError;

/** A man in the middle of a node and the bus: returns the frames to send in place of this one. */
export type Intercept = (frame: Buffer, topic: string) => Buffer[];

/** Passes the frame on unchanged. */
const PASS: Intercept = (frame) => [frame];

interface Nodes {
  /** The services that `restricted` may list. */
  names?: readonly string[];
  /** Without one there is a single process. */
  transport?: "NATS" | "Redis" | "none";
  /** The version of Moleculer. */
  version?: "0.14" | "0.15";
  /** The server's URL. Default: the server that the suites share. */
  url?: string;
  namespace?: string;
  signingKey?: string;
  store?: CredentialStore;
  /** In seconds. */
  identityTtl?: number;
  broker?: BrokerOptions;
  guard?: Partial<ServiceGuardOptions>;
}

interface NodeOptions {
  services?: ServiceSchema[];
  /** Default: a credential that the guard generates for each service. */
  credential?: (service: string) => string | undefined;
  guard?: Partial<ServiceGuardOptions>;
  broker?: BrokerOptions;
  intercept?: Intercept;
  /** Middlewares inside of the guard. */
  middlewares?: any[];
}

interface GuardOptions extends NodeOptions {
  /** Replaces the fixture's services. */
  signingKey?: string;
}

/** A line that a broker has logged. */
export interface LogLine {
  level: string;
  nodeID: string;
  args: unknown[];
}

/** A namespace of its own on a real server, and the brokers in it. */
export class TestBus {
  readonly namespace: string;
  readonly signingKey: string;
  readonly store: CredentialStore;
  readonly authority: GuardAuthority;
  readonly brokers: ServiceBroker[] = [];
  readonly logs: LogLine[] = [];
  /** Each action and event handler that ran: "<service>.<action> <caller>". */
  readonly ran: string[] = [];
  readonly options: Nodes;

  constructor(options: Nodes = {}) {
    this.options = options;
    this.namespace = options.namespace ?? `attack-${randomUUID()}`;
    this.signingKey = options.signingKey ?? makeSigningKey();
    this.store = options.store ?? memoryStore();
    this.authority = new GuardAuthority({ signingKey: this.signingKey, store: this.store });
  }

  get url(): string {
    const { transport = "NATS" } = this.options;
    const url = transport === "NATS" ? inject("natsUrl") : inject("redisUrl");
    if (!url) throw new Error(`There is no server for ${transport}.`);
    return this.options.url ?? url;
  }

  get #moleculer(): typeof moleculer {
    return this.options.version === "0.14"
      ? (moleculer14 as unknown as typeof moleculer)
      : moleculer;
  }

  credential(service: string): string {
    return this.authority.generate(service).credential;
  }

  #transporter(intercept: Intercept): any {
    const { transport = "NATS" } = this.options;
    if (transport === "none") return undefined;
    const Base: any = this.#moleculer.Transporters[transport];
    class Intercepted extends Base {
      async send(topic: string, data: Buffer, meta: object): Promise<void> {
        for (const frame of intercept(data, topic)) await super.send(topic, frame, meta);
      }
    }
    return new (sealed(Intercepted as any))(this.url);
  }

  /** Creates a node without starting it. `name` becomes the prefix of its id. */
  create(name: string, options: NodeOptions = {}): ServiceBroker {
    const { services = [testService(name, this.ran)] } = options;
    const guard = serviceGuard({
      services: this.options.names ?? ["a", "b", "c"],
      service: name,
      credential:
        options.credential ??
        ((service) => (service === "guard" ? undefined : this.#credentialOf(service))),
      ...this.options.guard,
      ...options.guard,
    });
    const broker = new this.#moleculer.ServiceBroker({
      namespace: this.namespace,
      nodeID: guard.nodeID,
      transporter: this.#transporter(options.intercept ?? PASS),
      middlewares: [guard, ...(options.middlewares ?? [])] as any[],
      logger: lines(this.#moleculer.Loggers.Base, this.logs, guard.nodeID),
      skipProcessEventRegistration: true,
      internalServices: false,
      uidGenerator: () => randomUUID(),
      requestTimeout: 10_000,
      heartbeatInterval: 2,
      heartbeatTimeout: 30,
      ...this.options.broker,
      ...options.broker,
    });
    for (const service of services) broker.createService(service);
    this.brokers.push(broker);
    return broker;
  }

  readonly #credentials = new Map<string, string>();

  #credentialOf(service: string): string {
    const known = this.#credentials.get(service) ?? this.credential(service);
    this.#credentials.set(service, known);
    return known;
  }

  createGuard({ signingKey = this.signingKey, ...options }: GuardOptions = {}): ServiceBroker {
    const { store } = this;
    const { identityTtl = 300 } = this.options;
    const services = [guardService({ signingKey, store, identityTtl })];
    return this.create("guard", { services, ...options });
  }

  /** Starts a node with the service of this name, and waits until it and the others know each other. */
  async start(name: string, options: NodeOptions = {}): Promise<ServiceBroker> {
    const broker = this.create(name, options);
    await broker.start();
    await this.met();
    return broker;
  }

  /** Waits until every started node knows the services of every other. */
  async met(brokers: readonly ServiceBroker[] = this.brokers): Promise<void> {
    const started = brokers.filter((broker) => broker.started);
    await Promise.all(
      started.map((broker) =>
        broker.waitForServices(
          started.filter((other) => other !== broker).flatMap((other) => namesOf(other)),
          15_000,
          10,
        ),
      ),
    );
  }

  /** The logged lines of one node, or of all nodes. */
  logged(broker?: ServiceBroker): string[] {
    return this.logs
      .filter(({ nodeID }) => broker === undefined || nodeID === broker.nodeID)
      .map(({ args }) => args.map((arg) => (typeof arg === "string" ? arg : "")).join(" "));
  }

  async stop(): Promise<void> {
    await Promise.all(this.brokers.filter(({ started }) => started).map((one) => one.stop()));
    this.brokers.length = 0;
  }
}

const namesOf = ({ services }: ServiceBroker) =>
  services.map(({ fullName }) => fullName).filter((name) => !name.startsWith("$"));

/** Records the lines that a broker logs. */
function lines(Base: any, kept: LogLine[], nodeID: string) {
  class Lines extends Base {
    getLogHandler(): any {
      return (level: string, args: unknown[]) => {
        if (["fatal", "error", "warn"].includes(level)) kept.push({ level, nodeID, args });
      };
    }
  }
  return new (Lines as any)({ level: "info" });
}

const read = async (stream: AsyncIterable<Buffer>): Promise<number> => {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
};

/**
 * A service of the fixture. `run` makes calls as this service; the other actions are called by other services.
 *
 * @param ran called with each handler that runs
 */
export function testService(name: string, ran: string[]): ServiceSchema {
  const action = (
    short: string,
    restricted: string[] | null,
    handler: (ctx: any) => unknown = ({ params }) => params,
    rest: object = {},
  ) => ({
    restricted,
    ...rest,
    handler(ctx: Context) {
      ran.push(`${name}.${short} ${ctx.caller}`);
      return handler(ctx);
    },
  });
  return {
    name,
    actions: {
      run: {
        restricted: null,
        visibility: "protected",
        handler: (ctx: Context<{ run: (ctx: Context) => unknown }>) => ctx.params.run(ctx),
      },
      /** For every service. */
      echo: action("echo", ["a", "b", "c"]),
      onlyC: action("onlyC", ["c"]),
      open: action("open", null),
      grow: action("grow", null, ({ params }) => "x".repeat(params.size)),
      hidden: action("hidden", null, undefined, { visibility: "protected" }),
      /** Returns how many bytes it has read. */
      upload: action("upload", ["a", "b", "c"], (ctx) => read(ctx.stream ?? ctx.params)),
      /** Returns a stream of `count` chunks of `size` bytes, one every `pause` milliseconds. */
      download: action("download", ["a", "b", "c"], ({ params }) => chunks(params)),
    },
    events: {
      "thing.happened": {
        restricted: ["a"],
        handler(ctx: Context) {
          ran.push(`${name} thing.happened ${ctx.caller}`);
        },
      },
    },
  } as unknown as ServiceSchema;
}

/** A stream of chunks. */
export function chunks({ count = 20, size = 1_000, pause = 0, fill = "x" }): Readable {
  return Readable.from(
    (async function* () {
      for (let at = 0; at < count; at++) {
        yield Buffer.alloc(size, fill);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    })(),
    { objectMode: false },
  );
}

/** Runs a function as the service that a broker of the fixture runs. */
export function as<T>(broker: ServiceBroker, run: (ctx: Context) => Promise<T> | T): Promise<T> {
  const [name] = namesOf(broker);
  // only the calls that `run` makes have a timeout: a longer one of theirs would otherwise be cut to 10 s
  return broker.call<T, object>(`${name}.run`, { run }, { timeout: 0 });
}

/** The state of a broker's guard: its keys, its bus, its counters. */
export const nodeOf = (broker: ServiceBroker): GuardNode => guardNodeOf(broker);

/** How often a broker has refused something for this reason. */
export const refusedBy = (broker: ServiceBroker, reason: string): number =>
  nodeOf(broker).statistics.total.refused.get(reason as never) ?? 0;

export interface StartedBus {
  bus: TestBus;
  guard: ServiceBroker;
  a: ServiceBroker;
  b: ServiceBroker;
  c: ServiceBroker;
}

/** Starts a guard and the services a, b and c, each in a node of its own, and waits until all know each other. */
export async function startBus(options: Nodes = {}): Promise<StartedBus> {
  const bus = new TestBus(options);
  const guard = bus.createGuard();
  const [a, b, c] = ["a", "b", "c"].map((name) => bus.create(name)) as [
    ServiceBroker,
    ServiceBroker,
    ServiceBroker,
  ];
  await Promise.all([guard, a, b, c].map((broker) => broker.start()));
  await bus.met();
  return { bus, guard, a, b, c };
}
