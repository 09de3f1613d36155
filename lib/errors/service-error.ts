import { CitadelError, type ErrorContract, type ErrorDetails } from "./errors.ts";

/** A service's own error types, by name. */
export type ErrorContracts = Readonly<Record<string, ErrorContract>>;

/** A contract that declares error types. */
interface WithErrors {
  readonly name: string;
  readonly errors: ErrorContracts;
}

/** An error of a type that the service's contract declares: `throw new ServiceError(contract, "NoteLocked")`. */
export class ServiceError<C extends WithErrors> extends CitadelError {
  /** @throws Error if the contract does not declare the type */
  constructor(contract: C, type: keyof C["errors"] & string, details?: ErrorDetails) {
    const declared = Object.hasOwn(contract.errors, type) ? contract.errors[type] : undefined;
    if (!declared) throw new Error(`The contract '${contract.name}' declares no error '${type}'.`);
    super({ type, ...declared }, details);
  }
}
