// the package has no types of its own
declare module "on-headers" {
  import type { ServerResponse } from "node:http";

  /** Calls back when the headers of a response are about to be sent; they can still be changed. */
  export default function onHeaders(res: ServerResponse, listener: () => void): void;
}
