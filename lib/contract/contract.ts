import type { Access } from "./access.ts";
import type { ActionContract } from "./action.ts";
import type { EmitContract } from "./event.ts";
import type { ExactContract } from "./exact.ts";

/** What a service offers: its actions, the events that it emits and the events that it handles. */
export interface ServiceContract {
  readonly name: string;
  /** The permissions that this service knows, by the name behind the colon: what each allows. */
  readonly permissions?: Readonly<Record<string, string>>;
  readonly actions: Readonly<Record<string, ActionContract>>;
  readonly emits?: Readonly<Record<string, EmitContract>>;
  /** Handlers, by the event's name, and who may trigger them. */
  readonly events?: Readonly<Record<string, Access>>;
}

/**
 * States a contract; the literals keep their types, and everything else is derived from them. A key that contracts do
 * not know is a type error; the start refuses it too (lib/access/contract-problems.ts).
 */
export function defineContract<const C extends ServiceContract>(contract: C & ExactContract<C>): C {
  return contract;
}

/**
 * All contracts by service name. Every contract file adds its own:
 * `declare module "../../lib/contract/contract.ts" { interface Contracts { posts: typeof contract } }`
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Contracts {}
