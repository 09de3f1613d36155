import type { Schema } from "./infer.ts";

/** What a service tells the others. */
export interface EmitContract {
  readonly description: string;
  readonly params: Schema;
}
