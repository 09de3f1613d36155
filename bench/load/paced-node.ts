import { runChild } from "../harness/child.ts";
import { type PacedLoad, putPacedLoad } from "./paced-load.ts";

// The process of the sockets, apart from what is measured.

runChild<PacedLoad>({ started: async () => {}, respond: putPacedLoad });
