import type { ServiceContract } from "../contract/contract.ts";
import { type DeclaredError, declaredError, ERROR_TYPES } from "./errors.ts";

/** Every error type by its name: the application's, then those that the contracts declare. */
export function declaredErrors(
  contracts: Iterable<ServiceContract>,
): ReadonlyMap<string, DeclaredError> {
  const ofApplication = ERROR_TYPES.map(declaredError);
  const ofServices = [...contracts].flatMap(({ errors = {} }) =>
    Object.entries(errors).map(([type, error]) => ({ type, ...error })),
  );
  return new Map([...ofApplication, ...ofServices].map((error) => [error.type, error]));
}
