import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { register } from "../helpers/http.ts";

/** By event: the access tokens that came with it. */
const seen: Record<string, unknown[]> = {};

const listen = (auth: string) => ({
  restricted: null,
  auth,
  handler(ctx: any) {
    (seen[ctx.eventName] ??= []).push(ctx.locals.accessToken);
  },
});

const services = [
  {
    name: "$ops",
    actions: { restart: { restricted: null, auth: "required", handler: () => "restarted" } },
  },
  {
    name: "mouth",
    actions: {
      speak: {
        restricted: null,
        auth: "none",
        async handler(ctx: any) {
          for (const event of ["said.to-all", "said.to-users"]) {
            await ctx.emit(event, {});
            await ctx.broadcast(event, {});
          }
        },
      },
    },
  },
  {
    name: "ears",
    events: { "said.to-all": listen("none"), "said.to-users": listen("required") },
  },
] as unknown as ServiceSchema[];

describe.skipIf(isMissing)("an access token", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({}, { services });
  });
  afterAll(() => app?.stop());

  it("is asked for by services whose names begin with $, too", async () => {
    const broker = app.brokerOf("$ops");
    await expect(broker.call("$ops.restart", {})).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
    const { token } = await register(app);
    expect(await broker.call("$ops.restart", {}, { meta: { token } })).toBe("restarted");
  });

  it("goes with an event only where somebody looks at it", async () => {
    const { token } = await register(app);
    await app.brokerOf("mouth").call("mouth.speak", {}, { meta: { token } });
    await expect.poll(() => seen["said.to-users"]).toEqual([token, token]);
    expect(seen["said.to-all"]).toEqual([undefined, undefined]);
  });
});
