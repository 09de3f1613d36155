import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { startAttacker } from "../helpers/attacker.ts";
import {
  broadcastAs,
  deliveries,
  papers,
  papersService,
  Readers,
  ring,
  subscribe,
} from "../helpers/papers.ts";
import { collect, connect, next } from "../helpers/socket.ts";
import { refresh, tokenFor } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("Subscriptions", () => {
  const readers = new Readers();
  const app = application(
    { RATE_LIMIT_SOCKET: "1000/3600", RATE_LIMIT_USER: "100000/10", MAX_SOCKETS_USER: "50" },
    { services: [papersService(readers)], contracts: [papers] },
  );
  let admin: User;
  let alice: User;
  let bob: User;
  let socket: Socket;

  beforeAll(async () => {
    admin = await app.administrator();
    [alice, bob] = [await app.register("alice"), await app.register("bob")];
  });
  beforeEach(async () => {
    socket = await app.socket(alice);
  });
  afterEach(() => void socket.close());

  const paper = (more: object = {}) => ({
    paperId: randomUUID(),
    ownerId: alice.id,
    pages: 3,
    ...more,
  });
  const emit = (event: string, payload: object = paper()) =>
    broadcastAs(app, "papers", event, payload);
  const setRoles = (id: string, roles: ("user" | "moderator")[]) =>
    admin.request("PUT /api/users/:id/roles", { path: { id }, body: { roles } });

  /** An account that holds these roles, signed in. */
  const withRoles = async (roles: ("user" | "moderator")[]) => {
    const { id, username, password } = await app.register();
    await setRoles(id, roles);
    return app.login(username, password);
  };

  it.each([
    ["papers.reviewed", { permission: "posts:moderate" }],
    ["papers.judged", { roles: ["moderator"] }],
    ["papers.audited", { subjectType: "EndUserAccount" }],
  ])("to %s are refused as a call is, and deliver nothing", async (event, data) => {
    const seen = deliveries(socket);
    expect(await subscribe(socket, event)).toMatchObject({
      ok: false,
      error: { code: 403, type: "UserNotAuthorized", data },
    });
    // an invalid filter is no way to learn of it before
    expect((await subscribe(socket, event, { pages: "many" })).error.code).toBe(403);
    await emit(event);
    await ring(app, socket);
    expect(seen).toEqual([]);
    const permitted = await withRoles(["moderator"]);
    const other = await app.socket(permitted);
    const received = deliveries(other);
    expect((await subscribe(other, event)).ok).toBe(true);
    await emit(event);
    await ring(app, other);
    expect(received).toHaveLength(1);
    other.close();
  });

  it("deliver nothing to a user with outdated roles, and end after a refresh without the permission", async () => {
    const carol = await withRoles(["moderator"]);
    const ofCarol = await app.socket(carol);
    const seen = deliveries(ofCarol);
    const ended = collect(ofCarol, "subscription:end");
    const open = await subscribe(ofCarol, "papers.published");
    const reviews = await subscribe(ofCarol, "papers.reviewed");
    const outdated = next(ofCarol, "auth:outdated");
    await setRoles(carol.id, ["user"]);
    await outdated;
    for (const event of ["papers.published", "papers.reviewed"]) await emit(event);
    await ring(app, ofCarol);
    expect(seen).toEqual([]);
    expect((await subscribe(ofCarol, "papers.published")).error.type).toBe("AccessTokenExpired");
    const { body } = await refresh(app, carol.refreshToken);
    await ofCarol.emitWithAck("auth:refresh", { token: body.access_token });
    expect(ended).toMatchObject([
      { id: reviews.data.id, error: { code: 403, type: "UserNotAuthorized" } },
    ]);
    for (const event of ["papers.published", "papers.reviewed"]) await emit(event);
    await ring(app, ofCarol);
    expect(seen.map(({ subscription }) => subscription)).toEqual([open.data.id]);
    expect((await ofCarol.emitWithAck("unsubscribe", { id: reviews.data.id })).error.type).toBe(
      "NotFound",
    );
    ofCarol.close();
  });

  it("are not kept by a refresh with another user's token", async () => {
    const mine = await withRoles(["moderator"]);
    const other = await app.socket(bob);
    expect(await other.emitWithAck("auth:refresh", { token: mine.token })).toMatchObject({
      ok: false,
      error: { type: "UserNotAuthorized" },
    });
    expect((await subscribe(other, "papers.reviewed")).error.type).toBe("UserNotAuthorized");
    other.close();
  });

  it("deliver nothing after the session was revoked, nor to a token that has expired", async () => {
    const dora = await app.register("dora");
    const iat = Math.floor(Date.now() / 1000);
    const sockets = [
      await app.socket(dora),
      await connect(app, tokenFor(app, { iat, exp: iat + 2 })),
    ];
    const seen = sockets.map(deliveries);
    const ends = sockets.map((one) => next(one, "session:end"));
    for (const one of sockets) expect((await subscribe(one, "papers.published")).ok).toBe(true);
    await dora.request("POST /api/auth/logout", { body: {} });
    const ended = (await Promise.all(ends)).map(({ type }) => type);
    expect(ended).toEqual(["AccessTokenRevoked", "AccessTokenExpired"]);
    await emit("papers.published");
    await ring(app, socket);
    expect(seen).toEqual([[], []]);
  });

  it("deliver nothing of another user, whatever the filter says", async () => {
    const seen = deliveries(socket);
    for (const params of [{ ownerId: bob.id }, { userId: bob.id }, { visible: "all" }])
      expect((await subscribe(socket, "papers.graded", params)).error.type).toBe(
        "VALIDATION_ERROR",
      );
    expect((await subscribe(socket, "papers.graded")).ok).toBe(true);
    await emit("papers.graded", paper({ ownerId: bob.id }));
    await ring(app, socket);
    expect(seen).toEqual([]);
  });

  describe("of a room", () => {
    const comment = (payload: object) =>
      emit("papers.commented", { ...payload, epoch: readers.epoch });

    const joined = async () => {
      const payload = paper();
      readers.add(payload.paperId, alice.id);
      expect((await subscribe(socket, "papers.commented")).ok).toBe(true);
      expect((await socket.emitWithAck("paper:open", { id: payload.paperId })).ok).toBe(true);
      return payload;
    };

    it("deliver nothing to a socket that may not join it", async () => {
      const seen = deliveries(socket);
      const payload = paper();
      expect((await subscribe(socket, "papers.commented")).ok).toBe(true);
      expect((await socket.emitWithAck("paper:open", { id: payload.paperId })).error.type).toBe(
        "NotFound",
      );
      await comment(payload);
      for (const paperId of ["lobby", `user:${alice.id}`, "../chat:lobby", "all"])
        await comment({ ...payload, paperId });
      await ring(app, socket);
      expect(seen).toEqual([]);
    });

    it("deliver nothing to a removed user", async () => {
      const payload = await joined();
      const seen = deliveries(socket);
      readers.remove(payload.paperId, alice.id);
      await emit("papers.withdrawn", { paperId: payload.paperId, userId: alice.id });
      await comment(payload);
      await ring(app, socket);
      expect(seen).toEqual([]);
    });

    it("deliver nothing to a removed user although the event of the removal was lost", async () => {
      const payload = await joined();
      const seen = deliveries(socket);
      readers.remove(payload.paperId, alice.id);
      await comment(payload);
      await comment(payload);
      await ring(app, socket);
      expect(seen).toEqual([]);
    });
  });

  it.each<[unknown]>([
    ["__proto__"],
    ["constructor"],
    ["toString"],
    [""],
    ["sessions.revoked"],
    ["gateway.consumed"],
    ["user.created"],
    ["papers.hidden"],
    ["papers.withdrawn"],
    ["chat.message"],
    ["message"],
    ["papers.*"],
    ["*"],
    ["$transporter.connected"],
    ["posts.create"],
    ["x".repeat(10_000)],
    [["papers.published"]],
    [{ toString: "papers.published" }],
    [null],
    [5],
  ])("to the event %j, to which nobody can subscribe, are refused", async (event) => {
    expect(await subscribe(socket, event)).toMatchObject({
      ok: false,
      error: { code: 404, type: "NotFound" },
    });
    expect(JSON.stringify(await subscribe(socket, event))).not.toContain("papers");
  });

  it.each<[unknown]>([
    [{ pages: "3 or 1=1" }],
    [{ ownerId: { $ne: null } }],
    [{ ownerId: [randomUUID()] }],
    [{ ownerId: null }],
    [{ topic: "all" }],
    [{ unknown: 1 }],
    [{ constructor: 1 }],
    [JSON.parse('{"__proto__":{"ownerId":"a"}}')],
    [{ visible: "all" }],
    [[]],
    ["ownerId"],
    [5],
    [null],
  ])("with the filter %j are refused as invalid", async (params) => {
    const { ok, error } = await subscribe(socket, "papers.published", params);
    expect([ok, error?.code, error?.type]).toEqual([false, 422, "VALIDATION_ERROR"]);
  });

  it("cannot be ended by another socket", async () => {
    const other = await app.socket(bob);
    const seen = deliveries(socket);
    const { data } = await subscribe(socket, "papers.published");
    for (const id of [data.id, [data.id], "__proto__", null, {}])
      expect((await other.emitWithAck("unsubscribe", { id })).error.type).toBe("NotFound");
    await emit("papers.published");
    await ring(app, socket);
    expect(seen).toHaveLength(1);
    other.close();
  });

  it("get no event that another service forges", async () => {
    const attacker = await startAttacker(app);
    const seen = deliveries(socket);
    expect((await subscribe(socket, "papers.published")).ok).toBe(true);
    const forged = paper({ pages: 666 });
    await attacker.broadcast("papers.published", forged, { caller: "papers" });
    await attacker.emit("papers.published", forged);
    for (const name of ["users", "posts", "chat"])
      await broadcastAs(app, name, "papers.published", forged);
    await ring(app, socket);
    expect(seen).toEqual([]);
    await attacker.stop();
  });

  it("cannot be sent by a client as deliveries", async () => {
    const other = await app.socket(bob);
    const seen = deliveries(socket);
    const { data } = await subscribe(socket, "papers.published");
    const forged = { subscription: data.id, event: "papers.published", data: paper() };
    for (const event of ["event", "subscription:end", "papers.published"])
      expect((await other.emitWithAck(event, forged)).error.type).toBe("NotFound");
    await ring(app, socket);
    expect(seen).toEqual([]);
    other.close();
  });

  it("with a filter that is too large or too deep are refused", async () => {
    let deep: unknown = 1;
    for (let at = 0; at < 50; at += 1) deep = { ownerId: deep };
    const many = Array.from({ length: 20_000 }, () => 1);
    for (const params of [deep, { ownerId: many }])
      expect((await subscribe(socket, "papers.published", params)).error.type).toBe(
        "PayloadTooLarge",
      );
    const closed = next(socket, "disconnect");
    socket.emit("subscribe", { event: "papers.published", params: { x: "x".repeat(200_000) } });
    await closed;
  });

  it("beyond the limit are refused, and 10,000 of them close the socket, which leaves none", async () => {
    const flooder = await app.socket(bob);
    const acks: any[] = [];
    const ended = next(flooder, "session:end");
    const seen = deliveries(flooder);
    for (let at = 0; at < 10_000; at += 1)
      flooder.emit("subscribe", { event: "papers.published" }, (ack: any) => acks.push(ack));
    expect((await ended).type).toBe("TooManyRequests");
    expect(acks.filter(({ ok }) => ok)).toHaveLength(100);
    const types = new Set(acks.filter(({ ok }) => !ok).map(({ error }) => error.type));
    expect([...types]).toEqual(["TooManyRequests"]);
    await emit("papers.published");
    await ring(app, socket);
    expect(seen).toEqual([]);
  });
});
