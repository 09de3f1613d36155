import type { ServiceBroker } from "moleculer";
import type { Config } from "../config/config.ts";
import type { ServiceContract } from "../contract/contract.ts";

/**
 * Attaches a value to a broker. It is not one of the broker's options, which Moleculer shows to the REPL and to other
 * nodes.
 */
export function attachment<T>(name: string) {
  const key = Symbol(`citadel.${name}`);
  return {
    set(broker: ServiceBroker, value: T): void {
      Object.defineProperty(broker, key, { value, configurable: true });
    },
    /** @throws Error on a broker that was made without it */
    of(broker: ServiceBroker): T {
      const value = (broker as unknown as Record<symbol, T | undefined>)[key];
      if (value === undefined)
        throw new Error(`This broker has no ${name}: it was not made by moleculer.config.ts.`);
      return value;
    },
  };
}

const config = attachment<Config>("configuration");

export const setConfig = config.set;

/** The configuration of a service's broker. */
export const configOf = config.of;

const contracts = attachment<ReadonlyMap<string, ServiceContract>>("contracts");

export const setContracts = contracts.set;

/** The contracts that a broker was made with. */
export const contractsOf = contracts.of;
