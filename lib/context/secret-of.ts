import type { ServiceBroker } from "moleculer";
import type { ServiceContract } from "../contract/contract.ts";
import { secretsOf } from "../contract/declarations/declared-secrets.ts";
import { configOf } from "./attachment.ts";

/**
 * The value of a secret that the service's contract declares.
 *
 * @throws Error if the secret is missing; it names the variable to set
 */
export function secretOf<C extends ServiceContract>(
  broker: ServiceBroker,
  contract: C,
  name: keyof C["secrets"] & string,
): string {
  const value = configOf(broker).secret(contract.name, name);
  if (value !== undefined) return value;
  const declared = secretsOf([contract]).find((secret) => secret.name === name);
  throw new Error(`${declared?.variable} is missing, which '${contract.name}' cannot run without.`);
}
