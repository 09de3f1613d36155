import type { BrokerOptions } from "moleculer";
import { beforeAll, describe, expect, it } from "vitest";
import { type Endpoint, type Handler, toMiddleware } from "../../lib/context/hooks.ts";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import { type AccessTokenClaims, groupPermissions } from "../../lib/tokens/access-token.ts";
import { generateSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import type { Operation } from "../../services/api/graphql/schema/definition.ts";
import {
  permissionsOfRoles,
  ROLE_NAMES,
  subjectTypeOfRole,
} from "../../services/users/roles/roles.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { stolenKey } from "../helpers/attacker.ts";
import { definition, graphql, operationOf } from "../helpers/graphql.ts";
import { request } from "../helpers/http.ts";
import { actions as operations, paramsOf } from "../helpers/openapi.ts";
import { tokenFor } from "../helpers/tokens.ts";

// Each pair of a caller and an operation: GraphQL refuses what HTTP refuses, with the same error, and runs no handler.

const NOBODY = "nobody";

/** The actions whose handlers would have run. */
const ran: string[] = [];
let isRecording = false;

/** Responds to the gateway's calls in place of validation and handlers, right behind the check of the user. */
const behindAuth = toMiddleware({
  name: "BehindAuth",
  localAction:
    (next: Handler, { name }: Endpoint): Handler =>
    (ctx) => {
      const isOfClient = (ctx.meta as { client?: object }).client !== undefined;
      if (!isRecording || !isOfClient) return next(ctx);
      ran.push(name);
      return Promise.resolve(null);
    },
});

function probed({ middlewares = [] }: BrokerOptions): BrokerOptions {
  const auth = middlewares.indexOf("Throttle") + 1;
  return { middlewares: [...middlewares.slice(0, auth), behindAuth, ...middlewares.slice(auth)] };
}

describe.skipIf(isMissing)("A caller that HTTP refuses", () => {
  const app = application({}, { broker: probed });
  /** The access token of each caller. */
  const tokens: Record<string, string | undefined> = {};

  const everything = permissionsOf(loadContracts());
  const all = groupPermissions(everything);
  const kinds = Object.values(SubjectType).map(
    (type) => `the subject type ${type} with every permission`,
  );
  const faulty = [
    "with an expired token",
    "with a revoked token",
    "with a forged token",
    "with a token of an unknown key",
    "of another tenant",
    "of another environment",
    "with a token for another audience",
    "with text in place of a token",
  ];

  beforeAll(async () => {
    const admin: Partial<AccessTokenClaims> = {
      permissions: all,
      roles: ["admin"],
      subjectType: "SuperUserAccount",
    };
    const now = Math.floor(Date.now() / 1000);
    const stranger = readSigningKey(await generateSigningKey("RS256"));
    const own = stolenKey(app, "auth");
    for (const role of ROLE_NAMES)
      tokens[role] = tokenFor(app, {
        permissions: groupPermissions(permissionsOfRoles([role], everything)),
        roles: [role],
        subjectType: subjectTypeOfRole(role),
      });
    for (const [at, subjectType] of Object.values(SubjectType).entries())
      tokens[kinds[at]!] = tokenFor(app, { permissions: all, subjectType });
    const revoked = await app.administrator();
    await revoked.request("POST /api/auth/logout");
    const given = [
      tokenFor(app, { ...admin, iat: now - 700, exp: now - 100 }),
      revoked.token,
      tokenFor(app, admin, { ...stranger, kid: own.kid }),
      tokenFor(app, admin, stranger),
      tokenFor(app, { ...admin, tenantId: "another" }),
      tokenFor(app, { ...admin, environmentId: "another" }),
      tokenFor(app, { ...admin, aud: "https://example.com" }),
      "text",
    ];
    for (const [at, caller] of faulty.entries()) tokens[caller] = given[at];
    // the first operation loads GraphQL
    await graphql(app, "{ __typename }");
    isRecording = true;
    return () => {
      isRecording = false;
    };
  });

  /** Sends a request, and returns the type of its error and the actions that ran. */
  async function outcomeOf(send: () => Promise<string | undefined>) {
    ran.length = 0;
    const type = await send();
    return { type: type ?? "none", ran: [...ran] };
  }

  async function overHttp({ route }: Operation, token: string | undefined) {
    const operation = operations.find(({ id }) => id === route.action)!;
    const { body, inPath } = paramsOf(operation);
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => inPath[name] ?? "");
    const response = await request(app, `${operation.method} ${path}`, { token, body });
    return response.body?.type as string | undefined;
  }

  async function overGraphQl(operation: Operation, token: string | undefined) {
    const described = operations.find(({ id }) => id === operation.route.action)!;
    const { body, inPath, inQuery } = paramsOf(described);
    const { query, variables } = operationOf(operation, { ...body, ...inPath, ...inQuery });
    const response = await graphql(app, query, { token, variables });
    expect(response).toMatchObject({ status: 200 });
    return response.types[0];
  }

  it.each([NOBODY, ...ROLE_NAMES, ...kinds, ...faulty])(
    "is refused over GraphQL with the same error: %s",
    async (caller) => {
      const [http, viaGraphQl]: Record<string, object>[] = [{}, {}];
      for (const operation of definition.operations) {
        const token = tokens[caller];
        http![operation.field] = await outcomeOf(() => overHttp(operation, token));
        viaGraphQl![operation.field] = await outcomeOf(() => overGraphQl(operation, token));
      }
      expect(viaGraphQl).toEqual(http);
      for (const { field, route } of definition.operations) {
        const { type, ran: actions } = http![field] as { type: string; ran: string[] };
        expect(actions).toEqual(type === "none" ? [route.action] : []);
      }
      if (caller !== NOBODY && !faulty.includes(caller)) return;
      const open = Object.entries(http!).filter(
        ([, one]) => (one as { type: string }).type === "none",
      );
      const expected = definition.operations.filter(({ route }) =>
        ["none", "context"].includes(route.contract.auth),
      );
      expect(open.map(([field]) => field)).toEqual(expected.map(({ field }) => field));
    },
  );
});
