import { describe, expect, it } from "vitest";
import { natsPermissions } from "../../../lib/deployment/nats-permissions.ts";
import { readNamespace } from "../../../lib/config/namespace.ts";

describe("The NATS permissions of a service", () => {
  it("allow frames to all nodes, and nothing else to publish", () => {
    const { publish } = natsPermissions("posts", "citadel");
    expect(publish).toEqual(["MOL-citadel.SEAL", "MOL-citadel.SEAL.>"]);
  });

  it("allow frames for all nodes and for its own nodes, and nothing else to subscribe to", () => {
    const { subscribe } = natsPermissions("posts", "citadel");
    expect(subscribe).toEqual([
      "MOL-citadel.SEAL",
      "MOL-citadel.SEAL.posts.*",
      "MOL-citadel.UNDELIVERED.posts.>",
    ]);
  });
});

describe("NAMESPACE", () => {
  const read = (namespace?: string) => {
    const problems: string[] = [];
    return { namespace: readNamespace({ NAMESPACE: namespace }, problems), problems };
  };

  it.each([undefined, ""])("is citadel if it is %j", (namespace) => {
    expect(read(namespace)).toEqual({ namespace: "citadel", problems: [] });
  });

  it("may hold letters, digits, hyphens and underscores", () => {
    expect(read("Team-1_eu")).toEqual({ namespace: "Team-1_eu", problems: [] });
  });

  it.each(["a.b", "*", ">", "a b", 'a"', "a\n}", "é", "x".repeat(65)])(
    "is refused as %j",
    (one) => {
      expect(read(one).problems).toEqual([expect.stringMatching(/^NAMESPACE must consist of/)]);
    },
  );
});
