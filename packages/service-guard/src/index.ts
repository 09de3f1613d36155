export { attachAuthority } from "./authority/attachment.ts";
export { GuardAuthority, type GuardAuthorityOptions } from "./authority/authority.ts";
export { refusalsOfAllNodes } from "./authority/all-refusals.ts";
export { fileStore } from "./authority/file-store.ts";
export { guardService } from "./authority/guard-service.ts";
export { type CredentialRecord, type CredentialStore, memoryStore } from "./authority/store.ts";
export { GuardError, type GuardErrorType } from "./errors.ts";
export type { Refused } from "./guard/access-decision.ts";
export type { Refusal, RefusalCount } from "./guard/refusals.ts";
export {
  type ServiceGuard,
  serviceGuard,
  type ServiceGuardOptions,
} from "./guard/service-guard.ts";
export { hasIdentity } from "./node/attachment.ts";
export { makeSigningKey } from "./tokens/signing-key.ts";
export { sealed } from "./transporter/sealed.ts";
