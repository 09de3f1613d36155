import { existsSync, globSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { env, loadEnvFile, stderr, stdout } from "node:process";
import { styleText } from "node:util";
import { hasDatabase, loadContracts } from "../lib/contract/load.ts";
import { secretsOf } from "../lib/contract/declarations/declared-secrets.ts";
import { makeDeploymentSecrets } from "../lib/deployment/deployment-secrets.ts";
import { readNamespace } from "../lib/config/namespace.ts";

const USAGE = `Usage: npm run credentials -- <folder>

Makes the secrets of a deployment in <folder>, one subfolder for each service and server, and keeps the secrets that
exist. To try it: npm run credentials -- .data/deployment
NATS permissions hold for one NAMESPACE: set the services' NAMESPACE here too (in the environment or .env).
`;

const NEXT = `Next:
  - Give each service the files of its own subfolder only. A setting X is read from the file that X_FILE names:
    USERS_AUTH_TOKEN_FILE, NATS_URL_FILE, DATABASE_URL_FILE, ...
  - Start NATS with nats/nats.conf (after a change: nats-server --signal reload), and run postgres/init.sql with psql as
    PostgreSQL's superuser.
  - The first administrator logs in with the password in users/admin_password.
'docker compose up' does all of this in a volume.
`;

function main([folder, ...others]: readonly string[]): void {
  if (!folder || folder.startsWith("-") || others.length > 0) fail(USAGE);
  // as the services do
  if (existsSync(".env")) loadEnvFile();
  const problems: string[] = [];
  const namespace = readNamespace(env, problems);
  if (problems.length > 0) fail(`${problems.join("\n")}.\n`);
  const root = resolve(folder);
  const list = () => globSync("*/*", { cwd: root });
  const before = new Set(list());
  const contracts = loadContracts();
  const services = [...contracts.keys()];
  try {
    makeDeploymentSecrets(root, {
      namespace,
      all: services,
      secrets: secretsOf(contracts.values()),
      withDatabase: services.filter(hasDatabase),
    });
  } catch (error) {
    fail(
      `${(error as Error).message}\nName a folder that you can write to, with no other files in it.\n`,
    );
  }
  stdout.write(`The secrets in ${root}:\n`);
  for (const [name, files] of Object.entries(Object.groupBy(list().toSorted(), dirname))) {
    const shown = files?.map((file) => {
      const isNew = !before.has(file);
      return styleText(isNew ? "green" : "dim", `    ${isNew ? "made" : "kept"}  ${file}\n`);
    });
    stdout.write(`  ${styleText("bold", name)}\n${shown?.join("")}`);
  }
  stdout.write(`\n${NEXT}`);
}

function fail(message: string): never {
  stderr.write(message);
  process.exit(1);
}

main(process.argv.slice(2));
