import type { ServiceContract } from "../contract.ts";
import type { SecretContract } from "./secret.ts";

/** A secret and where it is read from: the file `<service>/<name>` in a folder of secrets, or an environment variable. */
export interface DeclaredSecret {
  readonly service: string;
  readonly name: string;
  readonly variable: string;
  /** `credential`: proves the service's identity to the guard; every service has one. */
  readonly type: SecretContract["type"] | "credential";
  readonly isOptional: boolean;
}

/** The environment variable of a secret, unless its contract names another one: `USERS_AUTH_TOKEN`. */
export const variableOf = (service: string, name: string) => `${service}_${name}`.toUpperCase();

/** The credential that every service has, declared or not. @internal */
export const credentialOf = (service: string): DeclaredSecret => ({
  service,
  name: "auth_token",
  variable: variableOf(service, "auth_token"),
  type: "credential",
  isOptional: false,
});

/** The secrets of these services: each service's credential and what its contract declares. */
export function secretsOf(contracts: Iterable<ServiceContract>): DeclaredSecret[] {
  return [...contracts].flatMap(({ name: service, secrets = {} }) => [
    credentialOf(service),
    ...Object.entries(secrets).map(([name, { type, variable, optional = false }]) => ({
      service,
      name,
      variable: variable ?? variableOf(service, name),
      type,
      isOptional: optional,
    })),
  ]);
}
