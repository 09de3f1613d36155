import type { Options } from "../../lib/hooks.ts";
import type { Verdict } from "./verifier.ts";

/** A call token at hand, and what the callee found of it where that is in this process too. */
export interface Grant {
  readonly token: string;
  verdict?: Verdict;
}

/**
 * Marks the options of calls and events that this process makes itself. A symbol: no packet from outside
 * has it, and other middlewares that copy the options copy it too. It carries the call token, so that a
 * call within the process need not put it into headers and take it out again.
 */
const MADE_HERE = Symbol("made here");

interface Marked {
  [MADE_HERE]?: Grant | null;
}

export const markMadeHere = (options: Options, grant: Grant | null): Options =>
  ({ ...options, [MADE_HERE]: grant }) as Options;

/** The grant of a call or event that this process made itself, null without one; undefined: it came from outside. */
export const grantOf = (options: object): Grant | null | undefined =>
  (options as Marked)[MADE_HERE];
