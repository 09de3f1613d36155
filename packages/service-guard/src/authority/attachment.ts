import type { ServiceBroker } from "moleculer";
import { guardNodeOf } from "../node/attachment.ts";
import type { GuardAuthority } from "./authority.ts";

/** Makes this process a guard node: its own services ask this authority, other nodes ask it over the bus. */
export const attachAuthority = (broker: ServiceBroker, authority: GuardAuthority): void =>
  guardNodeOf(broker).authorityStarted(authority);
