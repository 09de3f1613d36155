import type { ServiceBroker } from "moleculer";
import type { GuardAuthority } from "../authority/authority.ts";
import type { GuardState } from "../authority/grant.ts";
import type { GuardClock } from "../node/clock.ts";
import type { OwnIdentities } from "../node/own-identities.ts";
import type { Reports } from "../node/reports.ts";
import type { Revocations } from "../node/revocations.ts";
import type { TrustedKeys } from "../tokens/published-keys.ts";
import type { KeyRing } from "./key-ring.ts";
import type { Statistics } from "./statistics.ts";

/** The node that a bus belongs to: the part of `GuardNode` that the bus uses. */
export interface OwnNode {
  readonly nodeID: string;
  readonly namespace: string;
  readonly keys: KeyRing;
  readonly clock: GuardClock;
  readonly trusted: TrustedKeys;
  readonly identities: OwnIdentities;
  readonly revocations: Revocations;
  readonly statistics: Statistics;
  readonly reports: Reports;
  readonly logger: ServiceBroker["logger"];
  /** Only if the guard runs in this process. */
  readonly authority: GuardAuthority | undefined;
  /** The identity tokens of the next key, while keys are rotated. */
  readonly nextTokens: readonly string[];
  readonly enrolment: { now(): void };
  applyGuardState(state: Partial<GuardState>): void;
  rotateSoon(): void;
}
