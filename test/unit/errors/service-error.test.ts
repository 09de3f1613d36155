import type { Context, ServiceBroker } from "moleculer";
import { describe, expect, it } from "vitest";
import { defineContract, type ServiceContract } from "../../../lib/contract/contract.ts";
import { withListedErrors } from "../../../lib/contract/listed-errors.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { declaredErrors } from "../../../lib/errors/declared-errors.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { ErrorRegenerator } from "../../../middlewares/errors.ts";

const contract = defineContract({
  name: "notes",
  errors: { NoteLocked: { code: 409, message: "This note is locked. Unlock it first." } },
  actions: {},
});

const locked = () => new ServiceError(contract, "NoteLocked", { data: { until: "noon" } });

const PUBLIC = {
  name: "NoteLockedError",
  message: "This note is locked. Unlock it first.",
  code: 409,
  type: "NoteLocked",
  data: { until: "noon" },
};

describe("An error of a service", () => {
  it("has the shape of all errors", () => {
    expect(toPublicError(locked())).toEqual(PUBLIC);
    expect(locked().retryable).toBe(false);
  });

  it("cannot have a type that the contract does not declare", () => {
    expect(() => new ServiceError(contract, "constructor" as "NoteLocked")).toThrow(
      "The contract 'notes' declares no error 'constructor'.",
    );
  });

  /** The error on another node, which knows these contracts. */
  const onOtherNode = (contracts: ServiceContract[]) => {
    const regeneratorOf = (nodeID: string) => {
      const regenerator = new ErrorRegenerator(declaredErrors(contracts));
      regenerator.init({ nodeID } as ServiceBroker);
      return regenerator;
    };
    const sent = regeneratorOf("a").extractPlainError(locked());
    return regeneratorOf("b").restore({ ...sent, code: 200 }, {});
  };

  it("keeps its type on its way between nodes, with the declared code", () => {
    expect(toPublicError(onOtherNode([contract]))).toEqual(PUBLIC);
  });

  it("is InternalError on a node that does not know its type", () => {
    expect(toPublicError(onOtherNode([]))).toMatchObject({ type: "InternalError", code: 500 });
  });

  it("has a type of its own in each service", () => {
    const types = [...declaredErrors(loadContracts().values()).keys()];
    expect(types).toEqual(expect.arrayContaining(["NotFound", "LinkInvalid"]));
    expect(new Set(types).size).toBe(types.length);
  });
});

describe("A handler", () => {
  const ctx = { action: { name: "notes.lock" } } as Context;
  const failing = (error: Error, listed: string[]) =>
    withListedErrors(async () => {
      throw error;
    }, listed)(ctx, (run) => run());

  it("fails with an own error that its action lists", async () => {
    await expect(failing(locked(), ["NoteLocked"])).rejects.toMatchObject({ type: "NoteLocked" });
  });

  it("fails with an internal error for one that its action does not list", async () => {
    const failed = await failing(locked(), []).catch((error: unknown) => error);
    expect(toPublicError(failed).type).toBe("InternalError");
    expect(failed).toMatchObject({
      message: "notes.lock threw NoteLocked, which the action's 'errors' do not list.",
      cause: { type: "NoteLocked" },
    });
  });

  it.each([new CitadelError("Conflict"), new TypeError("x")])("fails with %s as it is", (error) =>
    expect(failing(error, [])).rejects.toBe(error),
  );
});
