import { join } from "node:path";
import type { DeclaredSecret } from "../contract/declarations/declared-secrets.ts";
import { DATABASE, databaseRoles } from "./database-roles.ts";
import { natsConfig } from "./nats-config.ts";
import { makePassword, makeSecrets, rewrite, writeOnce } from "./secrets.ts";

export interface Deployment {
  /** Moleculer's namespace, for which NATS permissions hold. */
  namespace: string;
  /** All services. */
  all: readonly string[];
  /** The secrets that they declare. */
  secrets: readonly DeclaredSecret[];
  /** The services that have a database. */
  withDatabase: readonly string[];
}

/**
 * Makes the secrets of a deployment, one subfolder for each reader, and keeps those that exist: what the services declare
 * (makeSecrets), and an account on NATS and PostgreSQL for each service. The configuration of the two servers, with the
 * accounts and permissions, is replaced each time, since a service may have been added.
 *
 * @param folder has the subfolders; files get mode 0600
 */
export function makeDeploymentSecrets(
  folder: string,
  { namespace, all, secrets, withDatabase }: Deployment,
): void {
  makeSecrets(folder, secrets);

  /** The user and password in a service's URL, which is made once. */
  const account = (service: string, name: string, origin: (userinfo: string) => string) => {
    const make = () => origin(`${service}:${makePassword()}`);
    const { username, password } = new URL(writeOnce(join(folder, service, name), make));
    return { name: username, password };
  };

  const natsUsers = all.map((service) =>
    account(service, "nats_url", (userinfo) => `nats://${userinfo}@nats:4222`),
  );
  rewrite(join(folder, "nats", "nats.conf"), natsConfig(natsUsers, namespace));

  const roles = withDatabase.map((service) =>
    account(
      service,
      "database_url",
      (userinfo) => `postgres://${userinfo}@postgres:5432/${DATABASE}`,
    ),
  );
  rewrite(join(folder, "postgres", "init.sql"), databaseRoles(roles));
  writeOnce(join(folder, "postgres", "password"), makePassword);
}
