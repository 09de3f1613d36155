import type { JsonSchema } from "../openapi/json-schema.ts";

/** An event that the server sends, as a client developer sees it. */
export interface DocumentedServerEvent {
  /** The service that declares it; `api` is the gateway. */
  readonly service: string;
  readonly event: string;
  readonly description: string;
  /** Which sockets receive it. */
  readonly recipients: string;
  readonly payload: JsonSchema;
  readonly example?: unknown;
  /** It is a delivery to subscribers of this event. */
  readonly subscription?: {
    readonly event: string;
    readonly params: JsonSchema;
    readonly data: JsonSchema;
  };
}

/** An event that clients send. */
export interface DocumentedClientEvent {
  readonly service: string;
  readonly event: string;
  readonly description: string;
  /** The permissions of which the user needs one; empty if none is needed. */
  readonly permissions?: readonly string[];
  /** The roles of which the user needs one. */
  readonly roles?: readonly string[];
  readonly payload: JsonSchema;
  /** All arguments of the acknowledgement's callback, or its only one. */
  readonly ack: JsonSchema;
  /** The `data` of a successful acknowledgement. */
  readonly result: JsonSchema;
  readonly example?: { readonly payload?: unknown; readonly ack?: unknown };
}
