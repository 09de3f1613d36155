import { writeDefinitions } from "../../lib/access/definition-files.ts";
import { loadContracts } from "../../lib/contract/load.ts";

// Loaded before Moleculer into the process that scripts/dev.ts starts. The broker stops on SIGTERM. This makes it stop also
// when the terminal is closed, and when scripts/dev.ts has ended.

const stop = () => process.kill(process.pid, "SIGTERM");

process.on("SIGHUP", stop);
process.on("disconnect", stop);
// the channel does not keep the process alive
process.channel?.unref();

try {
  for (const file of writeDefinitions(loadContracts()))
    console.log(`${file} has changed. Commit it.`);
} catch (error) {
  // the start reports an invalid contract
  console.error(`The permission definitions were not written: ${(error as Error).message}`);
}
