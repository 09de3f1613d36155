import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Peer } from "../../src/bus/peers.ts";
import type { GuardNode } from "../../src/node/guard-node.ts";
import { Revocations } from "../../src/node/revocations.ts";
import { filterInfo } from "../../src/transporter/info-filter.ts";

const peer = { isProved: (name: string) => name === "mallory" } as unknown as Peer;
const node = {
  clock: { now: () => 0 },
  mayReceive: (event: string) => event !== "secret",
} as unknown as GuardNode;

const name = fc.constantFrom(
  "mallory",
  "users",
  "v1.mallory",
  "mallory.x",
  "$node",
  "",
  "toString",
);
const odd = fc.oneof(
  fc.jsonValue(),
  fc.constant({ toString: 1, valueOf: 1 }),
  fc.constant(JSON.parse('{"__proto__": {"name": "mallory"}}')),
);
const member = fc.dictionary(
  fc.constantFrom("mallory.go", "users.login", "mallory", "secret", "user.*", "$x", "__proto__"),
  fc.oneof(odd, fc.record({ name: fc.oneof(name, fc.constant("mallory.go")), group: name })),
);
const service = fc.oneof(
  odd,
  fc.record(
    {
      name: fc.oneof(name, odd),
      version: fc.oneof(odd, fc.constantFrom(1, "v1")),
      fullName: fc.oneof(name, odd),
      actions: fc.oneof(member, odd),
      events: fc.oneof(member, odd),
    },
    { requiredKeys: [] },
  ),
);

describe("The announcement of a node", () => {
  it("is reduced to what the node has proved, whatever it contains", () => {
    fc.assert(
      fc.property(fc.array(service), (services) => {
        for (const one of filterInfo(services, peer, node)) {
          const { fullName, actions, events } = one as Record<string, object>;
          const full = fullName as unknown as string;
          if (!full.startsWith("$")) expect(full).toBe("mallory");
          for (const [key, { name: own }] of Object.entries<{ name: string }>(actions as never)) {
            expect(key.startsWith(`${full}.`)).toBe(true);
            expect(own).toBe(key);
          }
          for (const [key, event] of Object.entries<{ group?: string }>(events as never)) {
            expect(key).not.toMatch(/^\$|^secret$/);
            expect([undefined, full, one["name" as keyof typeof one]]).toContain(event.group);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("The list of revoked credentials", () => {
  it("accepts well-formed entries and ignores the rest", () => {
    const revocations = new Revocations();
    const list = [null, 1, [], { id: 1, until: 9 }, { id: "a" }, { id: "b", until: 9 }];
    expect([...revocations.add(list, 5)]).toEqual(["b"]);
    expect(revocations.has("a")).toBe(false);
  });
});
