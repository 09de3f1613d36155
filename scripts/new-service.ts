import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stderr, stdout } from "node:process";
import { loadContracts, routesOf } from "../lib/contract/load.ts";
import { ROLE_NAMES } from "../services/users/roles.ts";

const ROOT = join(import.meta.dirname, "..");
const TEMPLATES = join(import.meta.dirname, "templates", "service");

const USAGE = `Usage: npm run new:service -- <name>

Makes services/<name>, a service with a small resource of that name, and its test. The name is a plural of
lower-case letters and digits: invoices. It names the Moleculer service, its routes, its PostgreSQL schema and
role, and its environment variables.
`;

/** What is called so already: containers, a table of each schema, callers in 'can', PostgreSQL's own roles. */
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

/** Why no service can be called this; undefined: one can. */
function objectionTo(name: string): string | undefined {
  if (!/^[a-z][a-z0-9]{1,30}$/.test(name))
    return `'${name}' is no name for a service: lower-case letters and digits only, as in 'invoices'.`;
  if (!name.endsWith("s")) return `'${name}' is no plural: the service 'notes' has notes.`;
  if (RESERVED.includes(name)) return `'${name}' means something else here. Take another name.`;
  const contracts = loadContracts();
  if (contracts.has(name) || existsSync(join(ROOT, "services", name)))
    return `There is a service '${name}' already.`;
  const route = routesOf(contracts).find(({ path }) => `${path}/`.startsWith(`/api/${name}/`));
  return route && `'${name}' would get the routes of ${route.action}: ${route.path}`;
}

/** One of them. */
function singularOf(names: string): string {
  if (/[^aeiou]ies$/.test(names)) return names.replace(/ies$/, "y");
  if (/(ss|x|zz|ch|sh)es$/.test(names)) return names.slice(0, -2);
  return names.slice(0, -1);
}

const FILES = (names: string) => ({
  [`services/${names}/${names}.contract.ts`]: ["contract", "what it offers, and to whom"],
  [`services/${names}/${names}.examples.ts`]: [
    "examples",
    "examples of calls, for its documentation",
  ],
  [`services/${names}/${names}.service.ts`]: ["service", "its handlers"],
  [`services/${names}/${names}.repository.ts`]: ["repository", "its SQL"],
  [`services/${names}/migrations/0001-${names}.ts`]: ["migration", "its table"],
  [`test/integration/${names}.test.ts`]: ["test", "its test"],
});

function fill(template: string, names: string): string {
  const name = singularOf(names);
  const words: Readonly<Record<string, string>> = {
    names,
    name,
    Names: names.charAt(0).toUpperCase() + names.slice(1),
    a: /^[aeiou]/.test(name) ? "an" : "a",
  };
  const text = readFileSync(join(TEMPLATES, `${template}.ts.template`), "utf8");
  return text.replace(/\{\{(\w+)\}\}/g, (_, word: string) => words[word] ?? "");
}

/** Adds a text before or behind a place in a file. @returns is the place there? */
function insert(file: string, place: RegExp, toText: (found: string) => string): boolean {
  const path = join(ROOT, file);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (!place.test(text)) return false;
  writeFileSync(
    path,
    text.replace(place, (found) => toText(found)),
  );
  return true;
}

/** A container for the service, as the others have one. */
const containerOf = (names: string) => `  ${names}:
    <<: *with-database
    environment:
      <<: *environment
      SERVICES: ${names}
      ${names.toUpperCase()}_AUTH_TOKEN_FILE: /run/secrets/auth_token
      DATABASE_URL_FILE: /run/secrets/database_url
    volumes:
      - <<: *own-secrets
        volume: { subpath: ${names} }
`;

const run = (...args: string[]) =>
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });

function main([names = "", ...more]: readonly string[]): void {
  if (names === "" || more.length > 0) fail(USAGE);
  const objection = objectionTo(names);
  if (objection) fail(`${objection}\n\n${USAGE}`);
  const files = Object.entries(FILES(names));
  const taken = files.map(([file]) => file).filter((file) => existsSync(join(ROOT, file)));
  if (taken.length > 0)
    fail(`Nothing was made, since this is there already: ${taken.join(", ")}\n`);

  for (const [file, [template = ""]] of files) {
    mkdirSync(dirname(join(ROOT, file)), { recursive: true });
    writeFileSync(join(ROOT, file), fill(template, names), { flag: "wx" });
  }
  const formatter = join(ROOT, "node_modules", "oxfmt", "bin", "oxfmt");
  run(formatter, ...files.map(([file]) => file));
  run(join("scripts", "access.ts"));
  const variable = `${names.toUpperCase()}_AUTH_TOKEN_FILE`;
  insert(".env.example", /(?:^#\w+_AUTH_TOKEN_FILE=\n)+/m, (found) => `${found}#${variable}=\n`);
  const container = containerOf(names);
  const isContained = insert(
    "docker-compose.yml",
    /^ {2}nats:$/m,
    (found) => `${container}\n${found}`,
  );

  const width = Math.max(...files.map(([file]) => file.length));
  const made = files.map(([file, [, what]]) => `  ${file.padEnd(width)}  ${what}\n`).join("");
  stdout.write(`The service '${names}':
${made}
and what it declares, in access.json, .env.example${isContained ? " and docker-compose.yml" : ""}.

  npm run dev                                       its routes, on /docs too
  npm test -- ${`test/integration/${names}.test.ts`.padEnd(38)}its test
  npm run check

Administrators hold '${names}:write'. Whom else it is for, services/users/roles.ts says: add it to 'user' for
everybody, and run 'npm run access'. What is deployed already needs its secrets: 'npm run credentials' adds them.
${isContained ? "" : `\nFor docker-compose.yml:\n\n${container}`}`);
}

function fail(message: string): never {
  stderr.write(message);
  process.exit(1);
}

main(process.argv.slice(2));
