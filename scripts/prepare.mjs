import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The end of `npm ci`: prepares the first start, which is faster then. An installation without the development dependencies
// leaves it out, so any version of Node may run this file.

async function prepare() {
  const { createTemplate } = await import("../lib/database/new-database.ts");
  await createTemplate();
  compile();
}

/** Runs `npm run dev` once, in a folder of its own, so that Node stores the code that it compiles. */
function compile() {
  const folder = mkdtempSync(join(tmpdir(), "citadel-"));
  spawnSync(process.execPath, ["scripts/dev.ts"], {
    // the REPL ends with its input, and the application with the REPL
    input: "",
    // empty variables take precedence over those in .env
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: "node_modules/.cache/node",
      NODE_ENV: "development",
      DATA_DIR: folder,
      PORT: "0",
      METRICS_PORT: "off",
      LOG_LEVEL: "silent",
      BCRYPT_COST: "4",
      SERVICES: "",
      NATS_URL: "",
      DATABASE_URL: "",
    },
    timeout: 60_000,
  });
  rmSync(folder, { recursive: true, force: true });
}

const isDevelopment = !process.env.npm_config_omit?.split(/\s+/).includes("dev");

// npm runs it in the folder of package.json
if (isDevelopment)
  try {
    await prepare();
  } catch (error) {
    console.warn("The first start is not prepared, and takes longer.", error);
  }
