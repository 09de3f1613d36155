import type { AnyTransaction } from "../database/any-database.ts";
import type { PayloadOf } from "./calls.ts";
import type { ServiceContract } from "./contract.ts";
import type { Input } from "./schemas/infer.ts";

type DurableEventOf<C> = C extends { emits: infer E }
  ? { [N in keyof E]: E[N] extends { readonly durable: true } ? N : never }[keyof E]
  : never;

/** Emits the durable events of a contract. */
export interface Events<C extends ServiceContract> {
  /**
   * Emits a durable event when the transaction commits, and not at all if it is rolled back. Emit ordered events while
   * the transaction holds a lock on what they are about: otherwise two transactions decide their order by chance.
   *
   * @throws Error outside a transaction, or for a payload that does not fit the contract
   */
  emit<N extends DurableEventOf<C>>(
    trx: AnyTransaction,
    event: N,
    payload: PayloadOf<N>,
  ): Promise<void>;
}

type JobsIn<C> = C extends { jobs: infer J } ? J : Record<never, never>;

type JobParams<J> = J extends { params: infer P } ? Input<P> : never;

type JobArguments<P> = Record<never, never> extends P ? [params?: P] : [params: P];

/** Sends the jobs of a contract. */
export interface Jobs<C extends ServiceContract> {
  /**
   * Sends a job when the transaction commits, and not at all if it is rolled back.
   *
   * @throws Error outside a transaction, or for parameters that do not fit the contract
   */
  send<N extends keyof JobsIn<C> & string>(
    trx: AnyTransaction,
    job: N,
    ...rest: JobArguments<JobParams<JobsIn<C>[N]>>
  ): Promise<void>;
}
