import { connect, JSONCodec } from "nats";
import { ITEM } from "../../citadel/payload.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// A service that responds to NATS requests.

const nats = await connect({ servers: settings.natsUrl });
const codec = JSONCodec();

nats.subscribe("item.get", {
  queue: "item",
  callback: (error, message) => message.respond(codec.encode(ITEM)),
});

runChild({ started: () => nats.flush(), stop: () => nats.close() });
