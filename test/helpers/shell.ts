import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** Is there a curl to test with? With CI set there must be. */
export function hasCurl(): boolean {
  if (!spawnSync("curl", ["--version"]).error) return true;
  const what = "Skipping the documents' examples: there is no curl on the PATH.";
  if (process.env.CI) throw new Error(`${what} With CI set, no suite may be skipped.`);
  console.log(what);
  return false;
}

/** Each response ends with a line break, and its request is a line of stderr: the status, method and URL. */
const PRELUDE = `
set -a
curl() {
  command curl --write-out '%{stderr}\\n%{http_code} %{method} %{url_effective}\\n' "$@" | sed -z 's/$/\\n/'
}
`;

export interface CommandResult {
  /** Lines of its output that are not empty. */
  output: string[];
  /** `200 GET http://…` for each request of curl's, except in `$(...)`. */
  requests: string[];
}

/** Runs commands one after the other in bash; each sees the variables that those before it have set. */
export class Shell {
  readonly #folder = mkdtempSync(join(tmpdir(), "citadel-shell-"));
  /** In capitals. */
  readonly variables: Record<string, string> = {};

  async run(command: string): Promise<CommandResult> {
    const script = join(this.#folder, "script");
    const kept = join(this.#folder, "variables");
    writeFileSync(script, `${PRELUDE}${command}\nenv -0 > ${kept}\n`);
    const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const env = { ...this.variables, PATH };
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
      execFile("bash", [script], { env }, (_error, out, err) =>
        resolve({ stdout: out, stderr: err }),
      ),
    );
    for (const variable of readFileSync(kept, "utf8").split("\0")) {
      const [name = "", ...value] = variable.split("=");
      if (/^[A-Z]/.test(name) && name !== "PATH") this.variables[name] = value.join("=");
    }
    return {
      output: stdout.split("\n").filter((line) => line.trim() !== ""),
      requests: stderr.split("\n").filter((line) => /^\d{3} /.test(line)),
    };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
