import { runChild } from "../harness/child.ts";
import { type HttpLoad, putHttpLoad } from "./http-load.ts";

// The process that sends the load, apart from what is measured.

runChild<HttpLoad>({ started: async () => {}, respond: putHttpLoad });
