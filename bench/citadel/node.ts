import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { loadConfig } from "../../lib/config/config.ts";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { implement } from "../../lib/contract/implement.ts";
import { loadContracts, SERVICES_DIR } from "../../lib/contract/load.ts";
import { brokerOptions } from "../../moleculer.config.ts";
import type UsersService from "../../services/users/users.service.ts";
import { ROLE_NAMES } from "../../services/users/roles.ts";
import { runChild, settings } from "../harness/child.ts";
import { contract as item } from "./item.contract.ts";
import { ITEM } from "./payload.ts";

// A node of the application, as `npm start` runs it, with the service `item` of the benchmark.

export interface NodeSettings {
  /** The services that run in this process. */
  services: string[];
}

export interface NewAccounts {
  usernames: string[];
  password: string;
}

const { services } = settings() as NodeSettings;
const contracts = new Map<string, ServiceContract>([...loadContracts(), [item.name, item]]);
const config = { ...loadConfig(process.env, contracts, ROLE_NAMES), services };
const broker = new ServiceBroker({
  ...brokerOptions(config, contracts),
  skipProcessEventRegistration: true,
});

for (const name of services)
  if (name === item.name)
    broker.createService(implement<typeof item>(item, { actions: { get: async () => ITEM } }));
  else broker.loadService(join(SERVICES_DIR, name, `${name}.service.ts`));

/** Creates accounts that share a password, which is hashed once. */
async function createAccounts({ usernames, password }: NewAccounts): Promise<void> {
  const { passwords, accounts } = broker.getLocalService("users") as unknown as UsersService;
  const passwordHash = await passwords.hash(password);
  for (const username of usernames)
    await accounts.insert({
      username,
      email: `${username}@example.com`,
      passwordHash,
      roles: ["user"],
      subjectType: "EndUserAccount",
    });
}

runChild<NewAccounts>({
  started: () => broker.start(),
  respond: createAccounts,
  stop: () => broker.stop(),
});
