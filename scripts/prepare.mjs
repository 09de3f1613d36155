import { spawnSync } from "node:child_process";

// The end of `npm ci`: prepares the first start, which is faster then. An installation without the development dependencies
// leaves it out, so any version of Node may run this file.

async function prepare() {
  const { createTemplate } = await import("../lib/database/new-database.ts");
  await createTemplate();
  const env = { ...process.env, NODE_COMPILE_CACHE: "node_modules/.cache/node" };
  spawnSync(process.execPath, ["scripts/compile.cjs"], { stdio: "inherit", env });
}

const isDevelopment = !process.env.npm_config_omit?.split(/\s+/).includes("dev");

// npm runs it in the folder of package.json
if (isDevelopment)
  try {
    await prepare();
  } catch (error) {
    console.warn("The first start is not prepared, and takes longer.", error);
  }
