import { randomUUID } from "node:crypto";
import type { BrokerOptions, Context } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decide, type Subject } from "../../lib/access/access.ts";
import {
  ACCESS_TOKEN_TYPE,
  groupPermissions,
  SUBJECT_TYPES,
} from "../../lib/tokens/access-token.ts";
import { configOf } from "../../lib/context/attachment.ts";
import type { Access } from "../../lib/contract/access.ts";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import { declaredActions, declaredHandlers, EVERY_NODE } from "../../lib/access/endpoints.ts";
import { type Endpoint, type Handler, toMiddleware } from "../../lib/context/hooks.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import { permissionsOfRoles, ROLE_NAMES, subjectTypeOfRole } from "../../services/users/roles.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import { type Attacker, startAttacker, stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";

/** Each pair of a caller and what it calls, made from the contracts: no list to keep by hand. */
const contracts = loadContracts();
const actions = Map.groupBy(declaredActions(contracts), ({ service }) => service);
const events = Map.groupBy(declaredHandlers(contracts), ({ event }) => event);

const NOBODY = "nobody";
const callers = [NOBODY, ...contracts.keys()];

const pairsWith = (targets: readonly string[]) =>
  callers.flatMap((caller) => targets.map((target): [string, string] => [caller, target]));

/** Each role, each kind of subject with every permission, and somebody with none. */
const everything = permissionsOf(contracts);
const people: [string, Subject][] = [
  ["anonymous", { kind: "anonymous" }],
  ...ROLE_NAMES.map((name): [string, Subject] => [
    name,
    {
      kind: "user",
      name,
      permissions: permissionsOfRoles([name], everything),
      subjectType: subjectTypeOfRole(name),
    },
  ]),
  ...SUBJECT_TYPES.map((subjectType): [string, Subject] => [
    `a ${subjectType} with every permission`,
    { kind: "user", name: subjectType, permissions: everything, subjectType },
  ]),
];

/** What must come of it where the gateway calls for somebody. */
function expectedFor(subject: Subject, access: Access): string {
  if (decide(subject, "", access).allowed) return "ran";
  return subject.kind === "anonymous" ? "AccessTokenRequired" : "UserNotAuthorized";
}

/** Code without a service is the operator where it runs in the process of the action (test/helpers/attacker.ts). */
const isOperator = topology !== "nats";

/** What must come of it: the handler runs, or the guard's error. */
function expected(caller: string, access: Access, isForOperator = false): string {
  if (caller === NOBODY)
    return access.restricted === null || (isForOperator && isOperator)
      ? "ran"
      : "ServiceTokenRequired";
  return decide({ kind: "service", name: caller }, "", access).allowed
    ? "ran"
    : "ServiceNotAuthorized";
}

/** What the guard let through and what it refused, in the order in which it did. */
const outcomes: { id: string; name: string; outcome: string }[] = [];

const idOf = (ctx: Context) => (ctx.meta as { probe?: string }).probe;

/** Is this probe about a user, so that what checks the guard must let it through to what checks users? */
const isOfUser = (id: string) => id.startsWith("user: ");

/** Stands where the handlers are, right behind what checks, and answers probes in their place. */
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

/** Stands before the guard, and writes down what came of each probe. */
const beforeTheGuard = toMiddleware({
  // the guard lets nothing but what observes stand before it
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

/** The application's middlewares from the innermost to the outermost, with ours around the guard. */
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

describe.skipIf(isMissing)("who may do what, as declared", () => {
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

  /** What the gateway may call at all; the rest is the guard's to refuse. */
  const called = [...actions.values()]
    .flat()
    .filter(({ access: { restricted } }) => restricted === null || restricted.includes("api"));

  /** A good token of somebody who is like this. */
  function tokenOf({ permissions, subjectType }: Extract<Subject, { kind: "user" }>): string {
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
      client_id: "somebody's",
      sid: randomUUID(),
      generation: 1,
      username: "somebody",
      roles: [],
      tenantId,
      environmentId,
      permissions: groupPermissions(permissions),
      subjectType,
    };
    return signJwt(claims, { ...key, typ: ACCESS_TOKEN_TYPE });
  }

  const outcomesOf = (id: string) => outcomes.filter((one) => one.id === id);
  const contextOf = (caller: string) => ownContext(app.service(caller)) as any;

  it.each(pairsWith([...actions.keys()]))("%s calls the actions of %s", async (caller, service) => {
    const targets = actions.get(service)!;
    const id = `${caller} calls ${service}`;
    // the attacker's node has such an action of its own
    const { nodeID } = app.brokers[0]!;
    const meta = { probe: id };
    const answers: Record<string, string> = {};
    for (const { name } of targets)
      answers[name] = await (
        caller === NOBODY
          ? attacker.call(name, {}, { meta, ...(service === EVERY_NODE && { nodeID }) })
          : contextOf(caller).call(name, {}, { meta })
      ).catch((error: any) => error.type);

    const wanted = targets.map(({ name, access, isForOperator }) => [
      name,
      expected(caller, access, isForOperator),
    ]);
    expect(answers).toEqual(Object.fromEntries(wanted));
    // and what the caller was told is what happened at the callee
    expect(outcomesOf(id)).toEqual(
      targets.map(({ name }) => ({ id, name, outcome: answers[name] })),
    );
  });

  it.each(people)("%s calls every action through the gateway", async (who, subject) => {
    const probe = `user: ${who}`;
    const token = subject.kind === "user" ? tokenOf(subject) : undefined;
    const answers: [string, string][] = [];
    for (const { name } of called) {
      const calling = callFrom(app, "api", name, {}, { ...(token && { token }), meta: { probe } });
      answers.push([name, await calling.catch((error: any) => error.type)]);
    }
    expect(answers).toEqual(called.map(({ name, access }) => [name, expectedFor(subject, access)]));
    expect(outcomesOf(probe).map(({ name, outcome }) => [name, outcome])).toEqual(answers);
  });

  it.each(pairsWith([...events.keys()]))("%s emits %s", async (caller, event) => {
    const id = `${caller} emits ${event}`;
    const meta = { probe: id };
    if (caller === NOBODY) await attacker.broadcast(event, {}, {}, meta);
    else await contextOf(caller).broadcast(event, {}, { meta });

    const wanted = events.get(event)!.flatMap(({ name, service, access }) => {
      const handlers = service === EVERY_NODE ? app.brokers : [service];
      return handlers.map(() => ({ id, name, outcome: expected(caller, access) }));
    });
    await expect.poll(() => outcomesOf(id).length).toBe(wanted.length);
    const sorted = (list: typeof outcomes) => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(sorted(outcomesOf(id))).toEqual(sorted(wanted));
  });

  it("leaves out nothing that runs: no action and no event handler is there but the declared", () => {
    const all = { onlyLocal: true };
    const running = (list: (registry: any) => { name: string }[]) =>
      new Set(app.brokers.flatMap(({ registry }) => list(registry).map(({ name }) => name)));
    // what is protected never leaves its process
    const reachable = (registry: any) =>
      registry.getActionList(all).filter(({ action }: any) => action.visibility !== "protected");
    expect(running(reachable)).toEqual(new Set(declaredActions(contracts).map(({ name }) => name)));
    const handled = running((registry) => registry.getEventList(all));
    // Moleculer's own, $node.connected, never come from outside
    expect([...handled].filter((event) => !event.startsWith("$")).toSorted()).toEqual(
      [...events.keys()].toSorted(),
    );
  });
});
