import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { loadConfig } from "../../lib/config/config.ts";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { implement } from "../../lib/contract/implement.ts";
import { loadContracts, SERVICES_DIR } from "../../lib/contract/load.ts";
import { brokerOptions } from "../../moleculer.config.ts";
import type UsersService from "../../services/users/users.service.ts";
import { ROLE_NAMES } from "../../services/users/roles/roles.ts";
import { runChild, settings } from "../harness/child.ts";
import { contract as item } from "./item.contract.ts";
import { type MoreServices, moreContracts } from "./more-contracts.ts";
import { ITEM } from "./payload.ts";

// A node of the application, as `npm start` runs it, with the service `item` of the benchmark.

export interface NodeSettings {
  /** The services that run in this process. */
  services: string[];
  /** The idle services that exist in the application, of whatever process. */
  more: MoreServices;
}

export interface NewAccounts {
  usernames: string[];
  password: string;
}

const { services, more } = settings() as NodeSettings;
const idle = new Map(moreContracts(more).map((contract) => [contract.name, contract]));
const contracts = new Map<string, ServiceContract>([
  ...loadContracts(),
  [item.name, item],
  ...idle,
]);
const config = { ...loadConfig(process.env, contracts, ROLE_NAMES), services };
const broker = new ServiceBroker({
  ...brokerOptions(config, contracts),
  skipProcessEventRegistration: true,
});

for (const name of services) {
  const contract = idle.get(name);
  if (contract) broker.createService(implement<ServiceContract>(contract, handlersOf(contract)));
  else if (name === item.name)
    broker.createService(implement<typeof item>(item, { actions: { get: async () => ITEM } }));
  else broker.loadService(join(SERVICES_DIR, name, `${name}.service.ts`));
}

/** The type of the handlers of any contract is too deep for TypeScript. */
function handlersOf({ actions }: ServiceContract): never {
  const handler = async () => ({ id: ITEM.id });
  const handlers = Object.keys(actions).map((name) => [name, handler] as const);
  return { actions: Object.fromEntries(handlers) } as never;
}

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
