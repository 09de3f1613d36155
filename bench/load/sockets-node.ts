import { runChild } from "../harness/child.ts";
import { putSocketsLoad, type SocketsLoad } from "./sockets-load.ts";

// The process of the sockets, apart from what is measured.

runChild<SocketsLoad>({ started: async () => {}, respond: putSocketsLoad });
