import { fuzz } from "./fuzz.ts";

// Sends a node's bus random and altered input: `npm run fuzz:bus -- [count] [seed]`. fuzz.ts documents the invariants.

const [count = 1_000_000, seed = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const startedAt = performance.now();
const seconds = () => ((performance.now() - startedAt) / 1_000).toFixed(1);
const { stdout } = process;

console.log(`${count} inputs, seed ${seed}`);
try {
  await fuzz({
    count,
    seed,
    onProgress: (done) => {
      if (stdout.isTTY && done % 10_000 === 0) stdout.write(`\r${done} inputs, ${seconds()} s`);
    },
  });
  console.log(
    `${stdout.isTTY ? "\r" : ""}${count} inputs in ${seconds()} s: no crash, no changed state.`,
  );
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
