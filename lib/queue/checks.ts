import type { ServiceBroker } from "moleculer";
import type { Schema } from "../contract/schemas/infer.ts";

/** @returns the problems of a value; none if it is valid */
export type Check = (value: unknown) => readonly { field?: string; type?: string }[];

/** Compiles the check of parameters with the broker's validator. */
export function checkOf(broker: ServiceBroker, schema: Schema): Check {
  if (!broker.validator)
    throw new Error("The broker has no validator, so no payload can be checked.");
  // Moleculer's type is of another validator's result: fastest-validator returns true or a list
  const check = broker.validator.compile(schema as object) as unknown as (
    value: unknown,
  ) => true | { field?: string; type?: string }[];
  return (value) => {
    const result = check(value);
    return result === true ? [] : result;
  };
}

/** The problems as text, without values. */
export const asText = (problems: ReturnType<Check>): string =>
  problems.map(({ field = "unknown fields", type }) => `${field} (${type})`).join(", ");

/** @throws Error that names the fields and not their values */
export function mustBeValid(what: string, check: Check, value: unknown): void {
  const problems = check(value);
  if (problems.length > 0)
    throw new Error(`${what} does not fit its contract: ${asText(problems)}.`);
}
