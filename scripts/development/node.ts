// Loaded before Moleculer into the process that scripts/dev.ts starts. The broker stops on SIGTERM. This makes it stop also
// when the terminal is closed, and when scripts/dev.ts has ended.

const stop = () => process.kill(process.pid, "SIGTERM");

process.on("SIGHUP", stop);
process.on("disconnect", stop);
// the channel does not keep the process alive
process.channel?.unref();
