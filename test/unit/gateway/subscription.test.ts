import { describe, expect, it } from "vitest";
import type { SubscribableEvent } from "../../../lib/contract/declarations/subscribable-events.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { Subscription } from "../../../services/api/subscriptions/subscription.ts";

type Claims = Partial<AccessTokenClaims>;

const EVENT: SubscribableEvent = {
  service: "papers",
  name: "papers.reviewed",
  description: "",
  params: { id: "number" },
  subscribe: { auth: "required", permissions: "papers:review", visible: "all" },
};
const MAY: Claims = { sub: "alice", permissions: { papers: ["review"] } };
const MAY_NOT: Claims = { sub: "alice", permissions: {} };

/** A subscription whose subscriber has what `identity` returns. */
function subscribed(identity: () => Claims | undefined | Promise<Claims>) {
  const delivered: unknown[] = [];
  const ended: unknown[] = [];
  let removals = 0;
  const subscription = new Subscription(
    {
      identity: identity as never,
      inRoom: () => false,
      deliver: (data) => delivered.push(data.id),
      end: (error) => ended.push(error),
    },
    {
      event: EVENT,
      requirement: {
        auth: "required",
        permissions: ["papers:review"],
        roles: undefined,
        subjects: undefined,
      },
      filter: {},
      removed: () => (removals += 1),
    },
  );
  return { subscription, delivered, ended, removals: () => removals };
}

describe("A subscription", () => {
  it("ends at the first delivery with claims that do not permit it", () => {
    let claims = MAY;
    const { subscription, delivered, ended, removals } = subscribed(() => claims);
    subscription.offer({ id: 1 });
    claims = MAY_NOT;
    subscription.offer({ id: 2 });
    claims = MAY;
    subscription.offer({ id: 3 });
    expect(delivered).toEqual([1]);
    expect(ended).toMatchObject([{ type: "UserNotAuthorized" }]);
    expect(removals()).toBe(1);
  });

  it("delivers nothing without a valid token, and goes on with a newer one", async () => {
    const expired = new CitadelError("AccessTokenExpired");
    let identity: () => Claims | undefined | Promise<Claims> = () => undefined;
    const { subscription, delivered, ended } = subscribed(() => identity());
    const without: (typeof identity)[] = [
      () => undefined,
      () => {
        throw expired;
      },
      () => Promise.reject(expired),
    ];
    for (const none of without) {
      identity = none;
      subscription.offer({ id: 1 });
      await subscription.recheck();
    }
    identity = () => MAY;
    // what was held before it has been decided on
    await expect.poll(() => (subscription.offer({ id: 2 }), delivered.length)).toBeGreaterThan(0);
    expect(new Set(delivered)).toEqual(new Set([2]));
    expect(ended).toEqual([]);
  });

  it("keeps the order of events while a token is verified, and holds at most 101", async () => {
    const verifying = Promise.withResolvers<Claims>();
    let identity: Claims | Promise<Claims> = verifying.promise;
    const { subscription, delivered } = subscribed(() => identity);
    for (let id = 0; id < 150; id += 1) subscription.offer({ id });
    identity = MAY;
    expect(delivered).toEqual([]);
    verifying.resolve(MAY);
    await expect.poll(() => delivered).toEqual(Array.from({ length: 101 }, (_, id) => id));
    subscription.offer({ id: 150 });
    expect(delivered.at(-1)).toBe(150);
  });

  it("delivers nothing that was held when it is removed", async () => {
    const verifying = Promise.withResolvers<Claims>();
    const { subscription, delivered, ended } = subscribed(() => verifying.promise);
    subscription.offer({ id: 1 });
    subscription.remove();
    verifying.resolve(MAY);
    await subscription.recheck();
    expect([delivered, ended]).toEqual([[], []]);
  });
});
