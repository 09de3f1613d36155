import { hashSync } from "bcryptjs";
import { natsPermissions } from "./nats-permissions.ts";

/** The passwords are random, so a low cost is enough. */
const BCRYPT_COST = 10;

export interface NatsUser {
  /** The service whose nodes connect as this user. */
  name: string;
  password: string;
}

/**
 * The NATS server's configuration: a user for each service, with the permissions that its nodes need. No other user may
 * connect, and the server gets only hashes of the passwords.
 *
 * @param namespace Moleculer's
 */
export function natsConfig(users: readonly NatsUser[], namespace: string): string {
  return `# Made by 'npm run credentials' for NAMESPACE=${namespace}; your changes would be lost.
port: 4222
# health, from inside the container only
http: "127.0.0.1:8222"
authorization {
  # for users without permissions of their own
  default_permissions { publish: { deny: ">" }, subscribe: { deny: ">" } }
  users: [
${users.map((user) => userEntry(user, namespace)).join("\n")}
  ]
}
`;
}

function userEntry({ name, password }: NatsUser, namespace: string): string {
  const { publish, subscribe } = natsPermissions(name, namespace);
  const list = (subjects: readonly string[]) =>
    subjects.map((subject) => `"${subject}"`).join(", ");
  return `    {
      user: "${name}", password: "${hashSync(password, BCRYPT_COST)}"
      permissions: {
        publish: { allow: [${list(publish)}] }
        subscribe: { allow: [${list(subscribe)}] }
      }
    }`;
}
