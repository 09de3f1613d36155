import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// In the repository, package.json names the TypeScript source; in the tarball it has to name the built files. npm, unlike
// pnpm, does not take `exports` and `types` from `publishConfig`. So `prepack` writes the manifest of the tarball, and
// `postpack` restores the repository's. Publish the tarball, not the folder: for a folder npm sends the registry the
// manifest that it reads after `postpack`. npm runs the scripts in the folder of the package; other packages use this file, too.

const MANIFEST = join(process.cwd(), "package.json");
/** Keeps the repository's manifest during `npm pack`. */
const KEPT = join(process.cwd(), ".package.json.kept");

/** Also restores it after an earlier `npm pack` that was interrupted between the two scripts. */
function restore(): void {
  if (existsSync(KEPT)) renameSync(KEPT, MANIFEST);
}

function apply(): void {
  restore();
  const text = readFileSync(MANIFEST, "utf8");
  // the scripts need files that are not in the tarball
  const { publishConfig, scripts: _, ...manifest } = JSON.parse(text);
  const packed = `${JSON.stringify({ ...manifest, ...publishConfig }, null, 2)}\n`;
  writeFileSync(KEPT, text);
  writeFileSync(MANIFEST, packed);
}

const [step] = process.argv.slice(2);
if (step === "apply") apply();
else if (step === "restore") restore();
else throw new Error("Usage: node scripts/manifest.ts apply|restore");
