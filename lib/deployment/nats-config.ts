import { hashSync } from "bcryptjs";

/** The passwords are random, so that nothing is to be won by making each guess dear. */
const BCRYPT_COST = 10;

/** The NATS server's configuration: nobody comes in but these users. It gets to know hashes only. */
export function natsConfig(users: readonly { name: string; password: string }[]): string {
  const lines = users.map(
    ({ name, password }) =>
      `    { user: "${name}", password: "${hashSync(password, BCRYPT_COST)}" }`,
  );
  return `# Made by 'npm run credentials'; changes are lost.
port: 4222
# health, for those inside the container
http: "127.0.0.1:8222"
authorization {
  users: [
${lines.join("\n")}
  ]
}
`;
}
