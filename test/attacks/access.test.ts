import { randomUUID } from "node:crypto";
import type { BrokerOptions, Context } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decide, type Subject } from "../../lib/access/access.ts";
import { ACCESS_TOKEN_TYPE, groupPermissions } from "../../lib/tokens/access-token.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import { configOf } from "../../lib/context/attachment.ts";
import type { Access } from "../../lib/contract/declarations/access.ts";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import {
  type DeclaredAction,
  declaredActions,
  type DeclaredHandler,
  declaredHandlers,
  EVERY_NODE,
} from "../../lib/access/endpoints.ts";
import { receivingAction } from "../../lib/queue/events/deliveries.ts";
import { isHandledOnce } from "../../lib/queue/queues.ts";
import { type Endpoint, type Handler, toMiddleware } from "../../lib/context/hooks.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import {
  permissionsOfRoles,
  ROLE_NAMES,
  subjectTypeOfRole,
} from "../../services/users/roles/roles.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import { type Attacker, startAttacker, stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";

/** Tests each pair of a caller and an action or event; the pairs are made from the contracts. */
const contracts = loadContracts();
const isDeliveredOnce = (event: string) =>
  [...contracts.values()].some(({ emits = {} }) => emits[event] && isHandledOnce(emits[event]));
const [handlers, deliveries] = [false, true].map((isOnce) =>
  declaredHandlers(contracts).filter(({ event }) => isDeliveredOnce(event) === isOnce),
) as [DeclaredHandler[], DeclaredHandler[]];
/** A durable event is delivered by a call of an action. */
const allActions = [
  ...declaredActions(contracts),
  ...deliveries.map(({ event, service, access }): DeclaredAction => {
    return { name: `${service}.${receivingAction(event)}`, service, access };
  }),
];
const actions = Map.groupBy(allActions, ({ service }) => service);
const events = Map.groupBy(handlers, ({ event }) => event);

const NOBODY = "nobody";
const callers = [NOBODY, ...contracts.keys()];

const pairsWith = (targets: readonly string[]) =>
  callers.flatMap((caller) => targets.map((target): [string, string] => [caller, target]));

/** Each role, each subject type with every permission, and a client without a token. */
const everything = permissionsOf(contracts);
const people: [string, Subject][] = [
  ["anonymous", { kind: "anonymous" }],
  ...ROLE_NAMES.map((name): [string, Subject] => [
    name,
    {
      kind: "user",
      name,
      permissions: permissionsOfRoles([name], everything),
      roles: [name],
      subjectType: subjectTypeOfRole(name),
    },
  ]),
  ...Object.values(SubjectType).map((subjectType): [string, Subject] => [
    `a ${subjectType} with every permission`,
    { kind: "user", name: subjectType, permissions: everything, roles: [], subjectType },
  ]),
];

/** The outcome if the gateway calls on behalf of this subject. */
function expectedFor(subject: Subject, access: Access): string {
  if (decide(subject, "", access).allowed) return "ran";
  return subject.kind === "anonymous" ? "AccessTokenRequired" : "UserNotAuthorized";
}

/** Code without a service is the operator where it runs in the process of the action (test/helpers/attacker.ts). */
const isOperator = topology !== "nats";

/** The outcome: the handler runs, or the guard's error type. */
function expected(caller: string, access: Access, isForOperator = false): string {
  if (caller === NOBODY)
    return access.restricted === null || (isForOperator && isOperator)
      ? "ran"
      : "ServiceTokenRequired";
  return decide({ kind: "service", name: caller }, "", access).allowed
    ? "ran"
    : "ServiceNotAuthorized";
}

/** The outcome of each probe at the callee, in order. */
const outcomes: { id: string; name: string; outcome: string }[] = [];

const idOf = (ctx: Context) => (ctx.meta as { probe?: string }).probe;

/** Whether this probe tests the AuthMiddleware, and so must pass the guard's stub. */
const isOfUser = (id: string) => id.startsWith("user: ");

/** A middleware inside the tested one, which responds to probes in place of the handlers. */
const behind = (name: string, isFor: (id: string) => boolean) => {
  const stub =
    (next: Handler): Handler =>
    (ctx) => {
      const id = idOf(ctx);
      return id !== undefined && isFor(id) ? Promise.resolve("ran") : next(ctx);
    };
  return toMiddleware({ name, localAction: stub, localEvent: stub });
};

const behindTheGuard = behind("BehindTheGuard", (id) => !isOfUser(id));
const behindAuth = behind("BehindAuth", isOfUser);

/** A middleware outside the guard, which records the outcome of each probe. */
const beforeTheGuard = toMiddleware({
  // the guard allows only middlewares for observability outside of itself
  name: "Tracing",
  localAction: (next: Handler, { name }: Endpoint) => watch(next, name),
  localEvent: (next: Handler, { name, service }: Endpoint) => {
    const { fullName } = service;
    const handler = contracts.has(fullName) ? fullName : EVERY_NODE;
    return watch(next, `event ${name} -> ${handler}`);
  },
});

const watch =
  (next: Handler, name: string): Handler =>
  async (ctx) => {
    const id = idOf(ctx);
    if (id === undefined) return next(ctx);
    try {
      const outcome = (await next(ctx)) as string;
      outcomes.push({ id, name, outcome });
      return outcome;
    } catch (error) {
      outcomes.push({ id, name, outcome: (error as { type: string }).type });
      throw error;
    }
  };

/** The application's middlewares from the innermost to the outermost, with those of this test. */
function probed({ middlewares = [] }: BrokerOptions): BrokerOptions {
  const guard = middlewares.indexOf("ErrorHandler") - 1;
  const auth = middlewares.indexOf("Throttle") + 1;
  return {
    middlewares: [
      ...middlewares.slice(0, auth),
      behindAuth,
      ...middlewares.slice(auth, guard),
      behindTheGuard,
      ...middlewares.slice(guard, guard + 1),
      beforeTheGuard,
      ...middlewares.slice(guard + 1),
    ],
  };
}

describe.skipIf(isMissing)("The declared access", () => {
  let app: App;
  let attacker: Attacker;

  beforeAll(async () => {
    app = await startApp({}, { broker: probed });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });

  /** The actions that the gateway may call; the guard refuses it every other action. */
  const called = [...actions.values()]
    .flat()
    .filter(({ access: { restricted } }) => restricted === null || restricted.includes("api"));

  /** A valid token of a user with these permissions and of this type. */
  function tokenOf(subject: Extract<Subject, { kind: "user" }>): string {
    const { permissions, roles, subjectType } = subject;
    const key = stolenKey(app, "auth");
    const now = Math.floor(Date.now() / 1000);
    const { issuer, tenantId, environmentId } = configOf(app.brokerOf("auth"));
    const claims = {
      iss: issuer,
      aud: issuer,
      sub: randomUUID(),
      iat: now,
      exp: now + 600,
      jti: randomUUID(),
      client_id: "first-party",
      sid: randomUUID(),
      generation: 1,
      username: "mallory",
      roles,
      tenantId,
      environmentId,
      permissions: groupPermissions(permissions),
      subjectType,
    };
    return signJwt(claims, { ...key, typ: ACCESS_TOKEN_TYPE });
  }

  const outcomesOf = (id: string) => outcomes.filter((one) => one.id === id);
  const contextOf = (caller: string) => ownContext(app.service(caller)) as any;

  it.each(pairsWith([...actions.keys()]))(
    "decides when %s calls the actions of %s",
    async (caller, service) => {
      const targets = actions.get(service)!;
      const id = `${caller} calls ${service}`;
      // the attacker's node has an action of this name as well
      const { nodeID } = app.brokers[0]!;
      const meta = { probe: id };
      const results: Record<string, string> = {};
      for (const { name } of targets)
        results[name] = await (
          caller === NOBODY
            ? attacker.call(name, {}, { meta, ...(service === EVERY_NODE && { nodeID }) })
            : contextOf(caller).call(name, {}, { meta })
        ).catch((error: any) => error.type);

      const wanted = targets.map(({ name, access, isForOperator }) => [
        name,
        expected(caller, access, isForOperator),
      ]);
      expect(results).toEqual(Object.fromEntries(wanted));
      // the callee's outcome is the caller's result
      expect(outcomesOf(id)).toEqual(
        targets.map(({ name }) => ({ id, name, outcome: results[name] })),
      );
    },
  );

  it.each(people)(
    "decides when %s calls every action through the gateway",
    async (who, subject) => {
      const probe = `user: ${who}`;
      const token = subject.kind === "user" ? tokenOf(subject) : undefined;
      const results: [string, string][] = [];
      for (const { name } of called) {
        const calling = callFrom(
          app,
          "api",
          name,
          {},
          { ...(token && { token }), meta: { probe } },
        );
        results.push([name, await calling.catch((error: any) => error.type)]);
      }
      expect(results).toEqual(
        called.map(({ name, access }) => [name, expectedFor(subject, access)]),
      );
      expect(outcomesOf(probe).map(({ name, outcome }) => [name, outcome])).toEqual(results);
    },
  );

  it.each(pairsWith([...events.keys()]))("decides when %s emits %s", async (caller, event) => {
    const id = `${caller} emits ${event}`;
    const meta = { probe: id };
    if (caller === NOBODY) await attacker.broadcast(event, {}, {}, meta);
    else await contextOf(caller).broadcast(event, {}, { meta });

    const wanted = events.get(event)!.flatMap(({ name, service, access }) => {
      const nodes = service === EVERY_NODE ? app.brokers : [service];
      return nodes.map(() => ({ id, name, outcome: expected(caller, access) }));
    });
    await expect.poll(() => outcomesOf(id).length).toBe(wanted.length);
    const sorted = (list: typeof outcomes) => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(sorted(outcomesOf(id))).toEqual(sorted(wanted));
  });

  it("covers every action and event handler that runs", () => {
    const all = { onlyLocal: true };
    const running = (list: (registry: any) => { name: string }[]) =>
      new Set(app.brokers.flatMap(({ registry }) => list(registry).map(({ name }) => name)));
    // protected actions cannot be called from other processes
    const reachable = (registry: any) =>
      registry.getActionList(all).filter(({ action }: any) => action.visibility !== "protected");
    expect(running(reachable)).toEqual(new Set(allActions.map(({ name }) => name)));
    const handled = running((registry) => registry.getEventList(all));
    // Moleculer's own, $node.connected, never come from outside
    expect([...handled].filter((event) => !event.startsWith("$")).toSorted()).toEqual(
      [...events.keys()].toSorted(),
    );
  });
});
