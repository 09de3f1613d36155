import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { describe, expect, inject, it } from "vitest";
import { SERVICES_DIR } from "../../lib/contract/load.ts";
import { brokerOptions, configure } from "../../moleculer.config.ts";
import { application } from "../fixtures/application.ts";
import { type App, isMissing } from "../helpers/app.ts";
import { collect } from "../helpers/socket.ts";

/** Starts a second chat node. */
async function startChat(app: App): Promise<ServiceBroker> {
  const broker = new ServiceBroker({
    ...brokerOptions(configure(app.env), app.contracts),
    skipProcessEventRegistration: true,
  });
  broker.loadService(join(SERVICES_DIR, "chat", "chat.service.ts"));
  await broker.start();
  await broker.waitForServices(["users", "auth", "guard"], 10_000, 20);
  const { registry } = app.brokerOf("api");
  const nodes = () => registry.actions.get("chat.send")?.endpoints.map(({ id }: any) => id);
  await expect.poll(nodes).toContain(broker.nodeID);
  return broker;
}

// both nodes need the same database
describe.skipIf(isMissing || !inject("databaseUrl"))("Two chat nodes", () => {
  const app = application({});

  it("store and send each message once, and number them together without a gap", async () => {
    const other = await startChat(app);
    const users = await Promise.all(["alice", "bob"].map((name) => app.register(name)));
    const sockets = await Promise.all(users.map((user) => app.socket(user)));
    const received = collect(sockets[1]!, "message");
    const clientIds = Array.from({ length: 60 }, () => randomUUID());
    // each client sends each message twice at once, so that both nodes get it
    const acks = await Promise.all(
      sockets.flatMap((socket) =>
        clientIds.flatMap((clientId) => [
          socket.emitWithAck("message", { text: "Hello", clientId }),
          socket.emitWithAck("message", { text: "Hello", clientId }),
        ]),
      ),
    );
    for (const [at, { data }] of acks.entries()) expect(data).toEqual(acks[at - (at % 2)].data);
    const seqs = [...new Set(acks.map(({ data }) => data.seq as number))].toSorted((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 120 }, (_, at) => seqs[0]! + at));
    const receivedSeqs = () =>
      received
        .map(({ seq }) => seq as number)
        .filter((seq) => seq >= seqs[0]!)
        .toSorted((a, b) => a - b);
    await expect.poll(receivedSeqs).toEqual(seqs);
    for (const socket of sockets) socket.close();
    await other.stop();
  });
});
