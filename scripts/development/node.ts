// Loaded into the node that scripts/dev.ts starts, before Moleculer. The broker stops on SIGTERM; it does so too
// when the terminal is closed, or when scripts/dev.ts is gone.

const stop = () => process.kill(process.pid, "SIGTERM");

process.on("SIGHUP", stop);
process.on("disconnect", stop);
// listening does not keep the process alive
process.channel?.unref();
