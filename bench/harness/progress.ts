import { styleText } from "node:util";

/** What the terminal shows while a suite runs. It goes to stderr, so that stdout has only the result. */
export class Progress {
  readonly #isTerminal = process.stderr.isTTY;

  title(text: string): void {
    this.#write(`\n${this.#style("bold", text)}\n`);
  }

  line(text: string): void {
    this.#write(`  ${text}\n`);
  }

  /** Runs `work`, and shows how long it took. */
  async step<T>(text: string, work: () => Promise<T>): Promise<T> {
    this.#write(`  ${text} … `);
    const started = performance.now();
    const result = await work();
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    this.#write(this.#style("dim", `${seconds} s\n`));
    return result;
  }

  #style(format: "bold" | "dim", text: string): string {
    return this.#isTerminal ? styleText(format, text, { stream: process.stderr }) : text;
  }

  #write(text: string): void {
    process.stderr.write(text);
  }
}
