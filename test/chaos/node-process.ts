import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { FromNode, NodeSettings, RequestMap, ToNode } from "./messages.ts";

export interface NodeProcessOptions {
  readonly name: string;
  /** The program of the node, which takes NodeSettings as its argument. */
  readonly script: URL;
  readonly services: string[];
  readonly env: NodeJS.ProcessEnv;
}

type ParamsOf<F> = F extends (params: infer P) => unknown ? P : never;

type ResultOf<F> = F extends (...args: never) => Promise<infer R> ? R : never;

/**
 * A node that can be killed and started again.
 *
 * `Moment`: when it can kill itself. `Requests`: what it does for the test.
 */
export class NodeProcess<Moment extends string = never, Requests extends object = RequestMap> {
  readonly name: string;
  readonly #script: URL;
  readonly #settings: NodeSettings;
  readonly #env: NodeJS.ProcessEnv;
  readonly #waiting = new Map<number, (message: FromNode) => void>();
  #child: ChildProcess | undefined;
  #isStarted = false;
  #lastId = 0;
  #output = "";

  constructor({ name, script, services, env }: NodeProcessOptions) {
    this.name = name;
    this.#script = script;
    this.#settings = { services };
    this.#env = env;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The end of its log. */
  get output(): string {
    return this.#output;
  }

  /** Starts it, again and again while that fails, as a supervisor of processes does. */
  async start(): Promise<void> {
    while (!(await this.#tryToStart()));
  }

  async #tryToStart(): Promise<boolean> {
    const child = fork(this.#script, [JSON.stringify(this.#settings)], {
      env: this.#env,
      // without those of the test runner
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-20_000);
      });
    child.once("exit", () => this.#onEnd());
    const { promise, resolve } = Promise.withResolvers<boolean>();
    child.once("exit", () => resolve(false));
    child.on("message", (message: FromNode) => {
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
      if (!message.started) return;
      this.#isStarted = true;
      resolve(true);
    });
    return promise;
  }

  #onEnd(): void {
    this.#isStarted = false;
    for (const respond of this.#waiting.values()) respond({ error: "The process has ended." });
  }

  /** @throws Error of the request, or if the process ends before it responds */
  async ask<R extends keyof Requests & string>(
    request: R,
    params?: ParamsOf<Requests[R]>,
  ): Promise<ResultOf<Requests[R]>> {
    const id = (this.#lastId += 1);
    const { promise, resolve } = Promise.withResolvers<FromNode>();
    this.#waiting.set(id, resolve);
    this.#send({ id, ask: request, params });
    const { error, result } = await promise;
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(error);
    return result as ResultOf<Requests[R]>;
  }

  #send(message: ToNode<Moment>): void {
    // the messages to a process that has just ended are lost, as on a network
    if (this.#child?.connected) this.#child.send(message, () => {});
    else if (message.id !== undefined)
      this.#waiting.get(message.id)?.({ error: "The process does not run." });
  }

  /** Lets it kill itself at the next such moment. Returns when it has ended. */
  async dieAt(moment: Moment): Promise<void> {
    this.#send({ arm: moment });
    await this.#ended();
  }

  /** Sends it a signal. @returns its exit code, or the signal that ended it */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | string> {
    this.#child?.kill(signal);
    return this.#ended();
  }

  async #ended(): Promise<number | string> {
    const child = this.#child;
    if (!child) throw new Error(`${this.name} has not been started.`);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child.exitCode ?? child.signalCode ?? NaN;
  }
}
