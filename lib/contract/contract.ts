import type { Access } from "./declarations/access.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { AuditContract } from "./declarations/audit.ts";
import type { EmitContract } from "./declarations/event.ts";
import type { JobContract } from "./declarations/job.ts";
import type { ErrorContracts } from "../errors/service-error.ts";
import type { Limits } from "../limits/limit.ts";
import type { ExactContract } from "./exact.ts";
import type { Schema } from "./schemas/infer.ts";
import type { PermissionContract } from "./declarations/permission.ts";
import type { RoomsContract } from "./declarations/socket.ts";
import { strictParams } from "./schemas/strict.ts";
import type { MetricContract } from "./declarations/metric.ts";
import type { SecretContract } from "./declarations/secret.ts";

/** Everything that a service declares: its actions, the events that it emits and handles, its jobs, errors, limits and secrets. */
export interface ServiceContract {
  readonly name: string;
  /** The permissions of this service, by the part of the name after the colon. */
  readonly permissions?: Readonly<Record<string, PermissionContract>>;
  /** Its own error types. Each type belongs to one service. */
  readonly errors?: ErrorContracts;
  /** Its own limits, such as rates and quotas. An action may name one as its `limit`. */
  readonly limits?: Limits;
  readonly actions: Readonly<Record<string, ActionContract>>;
  readonly emits?: Readonly<Record<string, EmitContract>>;
  /** The access of its event handlers, by the event's name. */
  readonly events?: Readonly<Record<string, Access>>;
  readonly jobs?: Readonly<Record<string, JobContract>>;
  /** The audit events that this service writes, and what each one means. */
  readonly audit?: AuditContract;
  /** Its secrets, by name in lower case: `signing_key`. Its credential, `auth_token`, is not declared. */
  readonly secrets?: Readonly<Record<string, SecretContract>>;
  /** Parameters and result fields that no log line and no audit entry may show. */
  readonly redacted?: readonly string[];
  readonly metrics?: Readonly<Record<string, MetricContract>>;
  /** The rooms in which sockets receive its events. */
  readonly rooms?: RoomsContract;
}

/**
 * Declares a contract; the literals keep their types, and everything else is derived from them. An unknown key is a
 * type error, and a node with it does not start (lib/access/contract-problems.ts). Parameters of
 * actions, events and jobs are strict: they refuse unknown fields.
 */
export function defineContract<const C extends ServiceContract>(
  contract: C & ExactContract<C, ServiceContract>,
): C {
  const { actions, emits, jobs } = contract as C;
  return {
    ...(contract as C),
    actions: withStrictParams(actions),
    ...(emits && { emits: withStrictParams(emits) }),
    ...(jobs && { jobs: withStrictParams(jobs) }),
  };
}

const withStrictParams = <T extends { readonly params: Schema }>(
  declarations: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> =>
  Object.fromEntries(
    Object.entries(declarations).map(([name, declaration]) => [
      name,
      { ...declaration, params: strictParams(declaration.params) },
    ]),
  );

/**
 * All contracts by service name. Every contract file adds its own:
 * `declare module "../../lib/contract/contract.ts" { interface Contracts { posts: typeof contract } }`
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Contracts {}
