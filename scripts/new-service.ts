import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stderr, stdout } from "node:process";
import { DEFINITION_FILE } from "../lib/access/permission-definition.ts";
import { loadContracts, routesOf } from "../lib/contract/load.ts";
import { secretsOf } from "../lib/contract/declarations/declared-secrets.ts";
import { ROLE_NAMES } from "../services/users/roles/roles.ts";

const ROOT = join(import.meta.dirname, "..");
const TEMPLATES = join(import.meta.dirname, "templates", "service");

const USAGE = `Usage: npm run new:service -- <name>

Makes services/<name>, a service with a small resource of that name, and its test. The name is a plural of
lower-case letters and digits: invoices. It names the Moleculer service, its routes, its PostgreSQL schema and
role, and its environment variables.
`;

/** Names with another meaning: containers, a table of each schema, callers in 'can', PostgreSQL's own roles. */
const RESERVED: readonly string[] = [
  "anonymous",
  "constructor",
  "migrations",
  "nats",
  "none",
  "postgres",
  "public",
  "secrets",
  ...ROLE_NAMES,
];

/** The reason why no service can have this name; undefined: one can. */
function problemOf(name: string): string | undefined {
  if (!/^[a-z][a-z0-9]{1,30}$/.test(name))
    return `'${name}' cannot name a service: use lower-case letters and digits only, as in 'invoices'.`;
  if (!name.endsWith("s")) return `'${name}' is no plural: the service 'notes' has notes.`;
  if (RESERVED.includes(name)) return `'${name}' has another meaning here. Use another name.`;
  const contracts = loadContracts();
  if (contracts.has(name) || existsSync(join(ROOT, "services", name)))
    return `There is a service '${name}' already.`;
  const route = routesOf(contracts).find(({ path }) => `${path}/`.startsWith(`/api/${name}/`));
  return route && `'${name}' would have the routes of ${route.action}: ${route.path}`;
}

function singularOf(names: string): string {
  if (/[^aeiou]ies$/.test(names)) return names.replace(/ies$/, "y");
  if (/(ss|x|zz|ch|sh)es$/.test(names)) return names.slice(0, -2);
  return names.slice(0, -1);
}

/** Each file, its template, and what the file is. */
const FILES = (names: string) => ({
  [`services/${names}/${names}.contract.ts`]: ["contract", "what it offers, and who may use it"],
  [`services/${names}/${names}.examples.ts`]: ["examples", "examples for the OpenAPI document"],
  [`services/${names}/${names}.service.ts`]: ["service", "its handlers"],
  [`services/${names}/${names}.repository.ts`]: ["repository", "its SQL"],
  [`services/${names}/migrations/0001-${names}.ts`]: ["migration", "its table"],
  [`test/integration/${names}.test.ts`]: ["test", "its test"],
});

const capitalized = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

function fill(template: string, names: string): string {
  const name = singularOf(names);
  const words: Readonly<Record<string, string>> = {
    names,
    name,
    Names: capitalized(names),
    Name: capitalized(name),
    NAMES: names.toUpperCase(),
    a: /^[aeiou]/.test(name) ? "an" : "a",
  };
  const text = readFileSync(join(TEMPLATES, `${template}.ts.template`), "utf8");
  return text.replace(/\{\{(\w+)\}\}/g, (_, word: string) => words[word] ?? "");
}

/** A container for the service, with the secrets that its contract declares. */
function containerOf(names: string): string {
  const contract = loadContracts().get(names);
  const secrets = secretsOf(contract ? [contract] : []).map(
    ({ variable, name }) => `      ${variable}_FILE: /run/secrets/${name}\n`,
  );
  return `  ${names}:
    <<: *with-database
    environment:
      <<: *environment
      SERVICES: ${names}
${secrets.join("")}      DATABASE_URL_FILE: /run/secrets/database_url
    volumes:
      - <<: *own-secrets
        volume: { subpath: ${names} }
`;
}

/** Adds the container to docker-compose.yml, before the servers. @returns whether the file has the place for it */
function addContainer(container: string): boolean {
  const file = join(ROOT, "docker-compose.yml");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const place = /^ {2}nats:$/m;
  if (!place.test(text)) return false;
  writeFileSync(
    file,
    text.replace(place, (found) => `${container}\n${found}`),
  );
  return true;
}

const run = (...args: string[]) =>
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });

function main([names = "", ...more]: readonly string[]): void {
  if (names === "" || more.length > 0) fail(USAGE);
  const problem = problemOf(names);
  if (problem) fail(`${problem}\n\n${USAGE}`);
  const files = Object.entries(FILES(names));
  const existing = files.map(([file]) => file).filter((file) => existsSync(join(ROOT, file)));
  if (existing.length > 0) fail(`Nothing was made: ${existing.join(", ")} exists already.\n`);

  for (const [file, [template = ""]] of files) {
    mkdirSync(dirname(join(ROOT, file)), { recursive: true });
    writeFileSync(join(ROOT, file), fill(template, names), { flag: "wx" });
  }
  const formatter = join(ROOT, "node_modules", "oxfmt", "bin", "oxfmt");
  run(formatter, ...files.map(([file]) => file));
  run(join("scripts", "access.ts"));
  const container = containerOf(names);
  const isAdded = addContainer(container);

  const definition = `services/${names}/${DEFINITION_FILE}`;
  const shown = [
    ...files.map(([file, [, what]]) => [file, what] as const),
    [definition, "who may do what, made from the contract"] as const,
  ];
  const width = Math.max(...shown.map(([file]) => file.length));
  const made = shown.map(([file, what]) => `  ${file.padEnd(width)}  ${what}\n`).join("");
  stdout.write(`The service '${names}':
${made}
access.json has its actions and events${isAdded ? ", docker-compose.yml its container" : ""}.

  npm run dev                                       its routes, on /docs too
  npm test -- ${`test/integration/${names}.test.ts`.padEnd(38)}its test
  npm run check

Administrators have the permission '${names}:write'. To give it to all users, add it to the role 'user' in
services/users/roles/roles.ts and run 'npm run access'. An existing deployment needs its secrets: 'npm run credentials' adds
them.
${isAdded ? "" : `\nFor docker-compose.yml:\n\n${container}`}`);
}

function fail(message: string): never {
  stderr.write(message);
  process.exit(1);
}

main(process.argv.slice(2));
