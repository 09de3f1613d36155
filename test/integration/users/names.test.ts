import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { application, type User } from "../../fixtures/application.ts";
import { isMissing } from "../../helpers/app.ts";

const NAMES = "GET /api/users/names";

describe.skipIf(isMissing)("GET /api/users/names", () => {
  const app = application();
  let alice: User;

  beforeAll(async () => {
    alice = await app.register("alice");
  });

  const namesOf = async (ids: readonly string[]) => {
    const query = ids.map((id) => `ids=${id}`).join("&");
    const { body } = await alice.request(`${NAMES}?${query}` as typeof NAMES, {} as never);
    return body.items;
  };

  it("answers the current usernames of one account and of several", async () => {
    const bob = await app.register("bob");
    await bob.request("PATCH /api/users/me", { body: { username: `new-${bob.username}` } });
    const [a, b] = [
      { id: alice.id, username: alice.username },
      { id: bob.id, username: `new-${bob.username}` },
    ];
    expect(await namesOf([alice.id])).toEqual([a]);
    const both = await namesOf([alice.id, bob.id]);
    expect(both).toHaveLength(2);
    expect(both).toEqual(expect.arrayContaining([a, b]));
  });

  it("leaves accounts out that do not exist, among up to 100", async () => {
    const strangers = Array.from({ length: 99 }, () => randomUUID());
    expect(await namesOf([...strangers, alice.id])).toEqual([
      { id: alice.id, username: alice.username },
    ]);
  });

  it.each([
    "",
    "?ids=x",
    `?${"ids=00000000-0000-4000-8000-000000000000&".repeat(2)}`,
    `?${Array.from({ length: 101 }, () => `ids=${randomUUID()}`).join("&")}`,
    "?ids[constructor]=x",
  ])("refuses no ids, wrong ones, repeated ones and more than 100 of them", async (query) => {
    const { status, body } = await alice.refusal(NAMES + query);
    expect(status).toBe(422);
    expect(body.data).toEqual([
      expect.objectContaining({ field: expect.stringMatching(/^ids(\[0\])?$/) }),
    ]);
  });

  it("refuses a caller without a user", async () => {
    const { body } = await app.refusal(`${NAMES}?ids=${alice.id}`);
    expect(body.type).toBe("AccessTokenRequired");
  });
});
