import { generateKeyPairSync } from "node:crypto";
import type { ServiceBroker } from "moleculer";
import { afterEach, describe, expect, it, vi } from "vitest";
import { nodeOf, TestBus, testService } from "./helpers/bus.ts";
import { errorOf } from "./helpers/variants.ts";

describe.each(["0.15", "0.14"] as const)("One process without a transporter (%s)", (version) => {
  let bus: TestBus;
  afterEach(() => bus.stop());

  const start = async (options: any = {}) => {
    bus = new TestBus({ transport: "none", version, ...options.bus });
    const services = ["a", "b", "c"].map((name) => testService(name, bus.ran));
    const broker = bus.createGuard({ guard: { service: "node" }, ...options.node });
    for (const service of services) broker.createService(service as never);
    await broker.start();
    await broker.waitForServices(["a", "b", "c"], 5_000, 5);
    return broker;
  };
  const callAs = (broker: ServiceBroker, name: string, target: string) =>
    broker.call<any, object>(`${name}.run`, { run: (ctx: any) => ctx.call(target, { x: 1 }) });

  it("accepts the services that `restricted` lists, by the identity of the caller", async () => {
    const broker = await start();
    expect(await callAs(broker, "a", "b.echo")).toEqual({ x: 1 });
    expect(await callAs(broker, "a", "b.open")).toEqual({ x: 1 });
    expect(await errorOf(callAs(broker, "a", "b.onlyC"))).toMatchObject({
      type: "ServiceNotAuthorized",
      code: 403,
    });
    expect(await errorOf(broker.call("b.echo"))).toMatchObject({
      type: "ServiceTokenRequired",
      code: 401,
    });
    expect(bus.ran).toEqual(["b.echo a", "b.open a"]);
  });

  it("refuses a service without a credential", async () => {
    const broker = await start({ node: { credential: () => undefined } });
    expect((await errorOf(callAs(broker, "a", "b.echo"))).type).toBe("ServiceTokenRequired");
    expect(await callAs(broker, "a", "b.open")).toEqual({ x: 1 });
  });

  it("refuses a service whose credential was revoked, at once", async () => {
    const broker = await start();
    await callAs(broker, "a", "b.echo");
    const records = await broker.call<any, object>("guard.credentials", {});
    const { id } = records.find(({ service }: { service: string }) => service === "a");
    await broker.call("guard.revoke", { id });
    await expect
      .poll(() => callAs(broker, "a", "b.echo").catch(({ type }) => type), { timeout: 2_000 })
      .toBe("ServiceTokenInvalid");
    expect(await callAs(broker, "c", "b.echo")).toEqual({ x: 1 });
  });

  it("refuses with the retryable GuardNotAccessible without a guard and a valid identity", async () => {
    bus = new TestBus({ transport: "none", version });
    const services = ["a", "b"].map((name) => testService(name, bus.ran));
    const broker = bus.create("node", { services });
    await broker.start();
    expect(await errorOf(callAs(broker, "a", "b.echo"))).toMatchObject({
      type: "GuardNotAccessible",
      code: 503,
      retryable: true,
    });
  });

  it("uses no cryptography for a call", async () => {
    const broker = await start();
    const node = nodeOf(broker);
    const exchanges = node.statistics.total.exchanges;
    const ensure = vi.spyOn(node.enrolment, "ensure");
    for (let at = 0; at < 50; at++) await callAs(broker, "a", "b.echo");
    expect(ensure).not.toHaveBeenCalled();
    expect(node.statistics.total).toMatchObject({ exchanges, framesSent: 0, framesOpened: 0 });
  });

  describe("whatever the order of its middlewares", () => {
    const INTERNAL = [
      "ActionHook",
      "Validator",
      "Bulkhead",
      "Cacher",
      "ContextTracker",
      "CircuitBreaker",
    ];
    const REST = ["Timeout", "Retry", "Fallback", "ErrorHandler", "Tracing", "Metrics"];

    it.each([
      ["Moleculer's own list", {}],
      ["a list of one's own", { internalMiddlewares: false, middlewares: [...INTERNAL, ...REST] }],
    ])(
      "neither cache nor validator tell anything (%s)",
      async (_name, { middlewares = [], ...more }: any) => {
        bus = new TestBus({ transport: "none", version });
        let count = 0;
        const service = {
          name: "b",
          actions: {
            cached: {
              restricted: ["a"],
              cache: true,
              params: { n: "number" },
              handler: () => ++count,
            },
          },
        };
        const services = ["a", "c"].map((name) => testService(name, bus.ran));
        const broker = bus.createGuard({
          guard: { service: "node" },
          middlewares,
          broker: { cacher: "Memory", ...more },
        });
        for (const one of [...services, service]) broker.createService(one as never);
        await broker.start();
        const call = (name: string, n: unknown) =>
          broker.call<any, object>(`${name}.run`, {
            run: (ctx: any) => ctx.call("b.cached", { n }),
          });
        expect([await call("a", 1), await call("a", 1)]).toEqual([1, 1]);
        expect((await errorOf(call("a", "one"))).type).toBe("VALIDATION_ERROR");
        for (const n of [1, "one"]) {
          expect((await errorOf(call("c", n))).type).toBe("ServiceNotAuthorized");
          expect((await errorOf(broker.call("b.cached", { n }))).type).toBe("ServiceTokenRequired");
        }
        expect(count).toBe(1);
      },
    );
  });

  it("does not start with invalid declarations", () => {
    bus = new TestBus({ transport: "none", version });
    const create =
      (part: object, options = {}) =>
      () =>
        bus.create("node", { services: [{ name: "b", ...part }] as never, ...options });
    const handler = () => {};
    expect(create({ actions: { one: handler, two: { handler } } })).toThrow(
      /'b.one' does not declare which services may call it[^]*'b.two' does not declare/,
    );
    expect(create({ actions: { one: { restricted: ["x"], handler } } })).toThrow(
      /lists unknown: x/,
    );
    expect(create({ actions: { one: { restricted: [], handler } } })).toThrow(
      /must have `restricted` list services/,
    );
    expect(create({ actions: { one: { restricted: "a", handler } } })).toThrow(
      /must have `restricted` list services/,
    );
    const misspelt = { actions: { one: { restrcted: ["a"], restricted: null, handler } } };
    expect(create(misspelt)).toThrow(/unknown key 'restrcted'/);
    expect(create({ events: { happened: { handler } } })).toThrow(
      /event 'happened' of 'b' does not/,
    );
    expect(create({ events: { happened: { restricted: null, group: "c", handler } } })).toThrow(
      /must be in the group 'b', not 'c'/,
    );
    const other = { actions: { one: { restricted: null, auth: "none", handler } } };
    expect(create(other)).toThrow(/unknown key 'auth'/);
    expect(create(other, { guard: { keys: ["auth"] } })).not.toThrow();
  });

  it("does not start with an invalid signing key", () => {
    bus = new TestBus({ transport: "none", version });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const signingKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(() => bus.createGuard({ signingKey })).toThrow("must be EC P-256");
    expect(() => bus.createGuard({ signingKey: "" })).toThrow("needs a signing key");
  });
});
