// The side of a measured process in its conversation with the harness (process.ts).

export type Message = { result: unknown } | { error: string };

/** The settings that the harness started this process with. */
export const settings = (): unknown => JSON.parse(process.argv[2] ?? "{}");

interface Child<Request> {
  /** What the harness learns when the process has started. */
  started: () => Promise<unknown>;
  /** Responds to one request after the other. */
  respond?: (request: Request) => Promise<unknown>;
  stop?: () => Promise<unknown>;
}

/** Runs a measured process until the harness disconnects. */
export function runChild<Request>({ started, respond, stop }: Child<Request>): void {
  const report = (result: Promise<unknown>): void =>
    void result.then(
      (value) => process.send?.({ result: value } satisfies Message),
      (error: unknown) =>
        process.send?.({ error: (error as Error).stack ?? String(error) } satisfies Message),
    );
  report(started());
  process.on("message", (request: Request) => {
    if (respond) report(respond(request));
  });
  process.once("disconnect", () => {
    // by process.exit, so that --cpu-prof writes its file
    void Promise.resolve(stop?.()).finally(() => process.exit());
  });
  // Ctrl-C reaches the whole process group; the harness disconnects its children
  process.on("SIGINT", () => {});
}
