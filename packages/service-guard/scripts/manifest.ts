import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// npm packs package.json as it is: unlike pnpm, it takes no `exports` and `types` from `publishConfig`. In the
// repository they name the TypeScript source, in the tarball what was built of it. So `prepack` writes the manifest of
// the tarball, and `postpack` puts the repository's back. Publish the tarball, not the folder: for a folder npm sends the
// registry what it reads after `postpack`.

const MANIFEST = join(import.meta.dirname, "..", "package.json");
/** The repository's manifest while npm packs. */
const KEPT = join(import.meta.dirname, "..", ".package.json.kept");

/** Also what an earlier `npm pack` left that ended between the two scripts. */
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
