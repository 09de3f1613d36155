import type { Schema } from "../schemas/infer.ts";
import type { ServerEventContract } from "./socket.ts";

/** An event that a service emits. */
export interface EmitContract {
  readonly description: string;
  readonly params: Schema;
  /** The sockets that receive it, too. */
  readonly socket?: ServerEventContract;
}
