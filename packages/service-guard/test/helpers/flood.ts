import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** A thread of its own, so that the attacker's CPU time is not counted as the nodes'. */
const CODE = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { connect } = require("nats");
  const { url, subject, frames, perSecond } = workerData;
  connect({ servers: url }).then(async (connection) => {
    let sent = 0;
    const startedAt = performance.now();
    const timer = setInterval(() => {
      const due = ((performance.now() - startedAt) / 1000) * perSecond;
      for (; sent < due; sent++) connection.publish(subject, frames[sent % frames.length]);
    }, 2);
    parentPort.postMessage("started");
    parentPort.once("message", async () => {
      clearInterval(timer);
      await connection.close();
      parentPort.postMessage(sent / ((performance.now() - startedAt) / 1000));
    });
  });
`;

/**
 * Publishes frames from a thread of its own.
 *
 * @returns a function that stops it and returns the frames per second
 */
export async function startFlood(options: {
  url: string;
  subject: string;
  frames: Buffer[];
  perSecond: number;
}): Promise<() => Promise<number>> {
  const worker = new Worker(CODE, { eval: true, workerData: options });
  await once(worker, "message");
  return async () => {
    // the message is for a thread, which has no origin
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    worker.postMessage("stop");
    const [perSecond] = (await once(worker, "message")) as [number];
    await worker.terminate();
    return perSecond;
  };
}
