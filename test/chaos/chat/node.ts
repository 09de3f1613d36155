import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { loadConfig } from "../../../lib/config/config.ts";
import { loadContracts, SERVICES_DIR } from "../../../lib/contract/load.ts";
import { brokerOptions } from "../../../moleculer.config.ts";
import type ChatService from "../../../services/chat/chat.service.ts";
import { ROLE_NAMES } from "../../../services/users/roles/roles.ts";
import type { FromNode, NodeSettings, ToNode } from "../messages.ts";
import type { Moment } from "./messages.ts";

// A node of the application in a process of its own that kills itself at the moment that its parent names.

const { services } = JSON.parse(process.argv[2] ?? "{}") as NodeSettings;
const contracts = loadContracts();
const config = { ...loadConfig(process.env, contracts, ROLE_NAMES), services };
const broker = new ServiceBroker(brokerOptions(config, contracts));
for (const name of services) broker.loadService(join(SERVICES_DIR, name, `${name}.service.ts`));

let armed: Moment | undefined;

/** Kills the process in place of the announcement of what it has committed. */
function dieBeforeAnnouncements({ announcer }: ChatService): void {
  const announce = announcer.announce.bind(announcer);
  announcer.announce = async (...committed) => {
    if (armed === undefined) return announce(...committed);
    process.kill(process.pid, "SIGKILL");
    // nothing else runs until the signal arrives
    await new Promise(() => {});
  };
}

process.on("message", ({ arm }: ToNode<Moment>) => {
  armed ??= arm;
});
// the test has ended without ending this process
process.once("disconnect", () => process.exit());

await broker.start();
const chat = broker.getLocalService("chat") as unknown as ChatService | undefined;
if (chat) dieBeforeAnnouncements(chat);
process.send?.({ started: true } satisfies FromNode);
