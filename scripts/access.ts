import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stderr, stdout } from "node:process";
import { styleText } from "node:util";
import { accessMatrix, type Cell, type Matrix } from "../lib/access/matrix.ts";
import { staleDefinitions, writeDefinitions } from "../lib/access/definition-files.ts";
import { grantablePermissions } from "../lib/access/grantable.ts";
import { accessReport, differingLines, toJson } from "../lib/access/report.ts";
import { mustBeSound } from "../lib/access/must-be-sound.ts";
import { accessWarnings } from "../lib/access/warnings.ts";
import { loadContracts } from "../lib/contract/load.ts";
import { permissionsByRole, subjectTypeOfRole } from "../services/users/roles/roles.ts";

const FILE = join(import.meta.dirname, "..", "access.json");

/** Development's permissions are shown as well: production grants a part of what the files say. */
const SHOWN = { production: false };
/** What production would refuse at its start is found here. */
const CHECKED = { production: true };

const USAGE = `Usage: npm run access [-- --check]

Writes access.json and each service's permission-definition.json, and prints who may do what. With
--check it writes nothing, and fails if these files say something else than the code.
STRICT_PERMISSIONS=false turns errors about undecided and unused permissions into warnings.
`;

type Style = Parameters<typeof styleText>[0];

const CELLS: Record<Cell, { text: string; style: Style; meaning: string }> = {
  yes: { text: "yes", style: "green", meaning: "allowed" },
  user: {
    text: "user",
    style: "cyan",
    meaning: "allowed with a user, who needs what the last column says",
  },
  inside: {
    text: "in",
    style: "yellow",
    meaning: "allowed, but no route leads there: only from inside, as in the REPL",
  },
  no: { text: "·", style: "dim", meaning: "refused" },
};

function main(args: readonly string[]): void {
  if (existsSync(".env")) process.loadEnvFile();
  const isCheck = args[0] === "--check";
  if (args.length > (isCheck ? 1 : 0)) fail(USAGE);
  const contracts = loadContracts();
  const rolesIn = (environment: { production: boolean }) =>
    permissionsByRole(grantablePermissions(contracts, "role", environment));
  const roles = rolesIn(SHOWN);
  const checked = rolesIn(CHECKED);
  const strictPermissions = process.env.STRICT_PERMISSIONS?.trim().toLowerCase() !== "false";
  const strictness = { ...CHECKED, strictPermissions };
  try {
    mustBeSound(contracts, checked, strictness);
  } catch (error) {
    fail(`${(error as Error).message}\n`);
  }
  const current = toJson(accessReport(contracts, roles));
  for (const warning of accessWarnings(contracts, checked, strictness))
    stderr.write(`${styleText("yellow", "warning:", { stream: stderr })} ${warning}\n`);
  if (isCheck) return check(current, staleDefinitions(contracts));
  printMatrix(accessMatrix(contracts, roles, subjectTypeOfRole));
  writeFileSync(FILE, current);
  const written = writeDefinitions(contracts).map((name) => `${name}\n`);
  stdout.write(
    "\nThis is in access.json now. Commit it: its diff shows who may do what from now on.\n" +
      written.join(""),
  );
}

function check(current: string, staleFiles: readonly string[]): void {
  const committed = existsSync(FILE) ? readFileSync(FILE, "utf8") : "";
  if (committed.replaceAll("\r\n", "\n") === current) {
    const [stale] = staleFiles;
    if (stale !== undefined) fail(`${stale} is stale: run 'npm run access' and commit it\n`);
    return;
  }
  const lines = differingLines(committed, current).map((line) => `${line}\n`);
  fail(`access.json is stale: run 'npm run access' and commit it\n${lines.join("")}`);
}

function printMatrix({ columns, rows }: Matrix): void {
  // the arrow says enough: user.created -> chat
  const labelOf = (name: string) => name.replace(/^event /, "");
  const label = Math.max(...rows.map(({ name }) => labelOf(name).length));
  const widths = columns.map((name) => Math.max(name.length, 4));
  const print = (name: string, cells: readonly (readonly [Style, string])[], last: string) => {
    const shown = cells.map(([style, text], at) => styleText(style, text.padEnd(widths[at] ?? 0)));
    stdout.write(`${[name.padEnd(label), ...shown, last].join(" ").trimEnd()}\n`);
  };

  print(
    "",
    columns.map((name) => ["bold", name]),
    styleText("bold", "user needs"),
  );
  for (const [at, { name, group, cells, needs }] of rows.entries()) {
    if (group !== rows[at - 1]?.group) stdout.write("\n");
    print(
      labelOf(name),
      cells.map((cell) => [CELLS[cell].style, CELLS[cell].text]),
      needs,
    );
  }
  stdout.write("\n");
  for (const { text, style, meaning } of Object.values(CELLS))
    stdout.write(`${styleText(style, text.padEnd(4))} ${meaning}\n`);
}

function fail(message: string): never {
  stderr.write(message);
  process.exit(1);
}

main(process.argv.slice(2));
