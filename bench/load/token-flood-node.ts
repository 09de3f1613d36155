import { runChild } from "../harness/child.ts";
import { putTokenFlood, type TokenFlood } from "./token-flood.ts";

// The process that sends tokens, apart from what is measured.

runChild<TokenFlood>({ started: async () => {}, respond: putTokenFlood });
