import { join } from "node:path";
import type { DeclaredSecret } from "../contract/secret.ts";
import { DATABASE, databaseRoles } from "./database-roles.ts";
import { natsConfig } from "./nats-config.ts";
import { makePassword, makeSecrets, rewrite, writeOnce } from "./secrets.ts";

export interface Deployment {
  /** The broker's, in which the nodes find each other on NATS. */
  namespace: string;
  /** Every service. */
  all: readonly string[];
  /** What they declare. */
  secrets: readonly DeclaredSecret[];
  /** Those that keep data. */
  withDatabase: readonly string[];
}

/**
 * Makes the secrets of a deployment, one subfolder for each who reads it, and keeps those that are
 * there: what the services need (makeSecrets), an account of its own for each on NATS and PostgreSQL,
 * and for the two servers what makes them know these accounts and, on NATS, their permissions. That is
 * written anew each time, since a service may have been added.
 *
 * @param folder where the subfolders go; files get mode 0600
 */
export function makeDeploymentSecrets(
  folder: string,
  { namespace, all, secrets, withDatabase }: Deployment,
): void {
  makeSecrets(folder, secrets);

  /** The user and password of a service's URL, which is made up on the first start. */
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
