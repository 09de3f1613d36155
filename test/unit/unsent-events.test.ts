import { expect, it } from "vitest";
import { CallTokens } from "../../middlewares/service-guard/call-tokens.ts";
import { Outgoing } from "../../middlewares/service-guard/outgoing.ts";

it("an event that cannot be sent while the guard is away is told of once for each absence", async () => {
  let isAway = true;
  const told: string[] = [];
  const sent: string[] = [];
  const broker = {
    logger: { error: (_: object, message: string) => told.push(message) },
    registry: {
      events: { getAllEndpoints: () => [{ event: { restricted: ["api"] }, local: true }] },
    },
  };
  const tokens = new CallTokens({
    credential: () => "credential",
    exchange: async () => {
      if (isAway) throw new Error("nobody there");
      // so short that the next event asks again
      return { token: "token", expiresIn: 0 };
    },
  });
  const emit = new Outgoing(broker as never, tokens, []).emit(async (event: string) => {
    sent.push(event);
  });
  const send = () =>
    emit("order.placed", {}, { parentCtx: { service: { fullName: "api" } } } as any);

  for (let times = 0; times < 3; times++) await send();
  expect(told).toEqual(["The event 'order.placed' of 'api' was not emitted."]);
  expect(sent).toEqual([]);

  isAway = false;
  await send();
  expect(sent).toEqual(["order.placed"]);

  isAway = true;
  await send();
  await send();
  expect(told).toHaveLength(2);
  expect(sent).toEqual(["order.placed"]);
});
