import { describe, expect, it } from "vitest";
import { type ActionContract, type ServiceContract } from "../../lib/contract.ts";
import { loadContracts } from "../../lib/contracts.ts";
import { natsPermissions } from "../../lib/access/nats-permissions.ts";

const contracts = loadContracts();
const permissions = natsPermissions(contracts, "citadel");

/** The services that `service` may publish such packets to. */
const targets = (service: string, packet: string) =>
  permissions
    .get(service)!
    .publish.filter((subject) => subject.startsWith(`MOL-citadel.${packet}.`))
    .map((subject) => subject.split(".")[2]);

describe("the NATS permissions", () => {
  it("name every service", () => {
    expect([...permissions.keys()]).toEqual([...contracts.keys()].toSorted());
  });

  it("let every service publish requests to the guard, and to who has an action for it", () => {
    for (const service of contracts.keys()) expect(targets(service, "REQ")).toContain("guard");
    expect(targets("posts", "REQ")).toEqual(expect.arrayContaining(["users"]));
    expect(targets("posts", "REQ")).not.toContain("chat");
  });

  it("let nobody publish requests to who has no actions, but the guard, which asks every node", () => {
    const asking = [...contracts.keys()].filter((one) => targets(one, "REQ").includes("api"));
    expect(asking).toEqual(["guard"]);
  });

  it("let responses go to those who may call, and to nobody else", () => {
    expect(targets("chat", "RES")).toEqual(["api", "guard"]);
    expect(targets("api", "RES")).toEqual(["guard"]);
    for (const [caller] of permissions)
      for (const [callee] of permissions)
        expect(targets(callee, "RES").includes(caller)).toBe(
          targets(caller, "REQ").includes(callee),
        );
  });

  it("let events go to those who handle what a service emits, revocations to every node", () => {
    expect(targets("chat", "EVENT")).toEqual(["api"]);
    expect(targets("users", "EVENT")).toEqual(["auth", "chat"]);
    expect(targets("posts", "EVENT")).toEqual([]);
    for (const revoking of ["auth", "guard"])
      expect(targets(revoking, "EVENT")).toEqual([...contracts.keys()].toSorted());
  });

  it("let a service hear what is for all and what is for itself, and nothing else", () => {
    for (const [service, { subscribe }] of permissions) {
      const forAll = subscribe.filter((subject) => subject.split(".").length === 2);
      expect(forAll.toSorted()).toEqual(
        ["DISCONNECT", "DISCOVER", "HEARTBEAT", "INFO", "PING"].map((one) => `MOL-citadel.${one}`),
      );
      const others = subscribe.filter((subject) => !forAll.includes(subject));
      for (const subject of others) expect(subject).toMatch(new RegExp(`\\.${service}\\.>$`));
      expect(others).toHaveLength(8);
    }
  });

  it("let nobody say that a packet was undelivered: only the server does", () => {
    for (const service of contracts.keys()) expect(targets(service, "UNDELIVERED")).toEqual([]);
  });

  it("follow from the contracts alone", () => {
    const action = (restricted: string[] | null): ActionContract => ({
      description: "",
      restricted,
      auth: "none",
      params: {},
      result: null,
    });
    const made = natsPermissions(
      new Map<string, ServiceContract>([
        [
          "a",
          {
            name: "a",
            actions: { one: action(["b"]) },
            emits: { "a.told": { description: "", params: {} } },
          },
        ],
        [
          "b",
          {
            name: "b",
            actions: {},
            events: {
              "a.told": { restricted: ["b"], auth: "none" },
              other: { restricted: null, auth: "none" },
            },
          },
        ],
      ]),
      "",
    );
    const to = (service: string) =>
      made.get(service)!.publish.filter((subject) => /\.(REQ|RES|EVENT)\./.test(subject));
    // a's event is not for b to hear from a, and nobody emits the other
    expect(to("a")).toEqual(["MOL.RES.b.>"]);
    expect(to("b")).toEqual(["MOL.REQ.a.>"]);
  });
});
