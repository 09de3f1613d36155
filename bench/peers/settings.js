import { settings as read } from "../harness/child.ts";

/**
 * What every peer is started with.
 *
 * @type {{ role: "gateway" | "service" | "others" | "emitter" | "subscriber", natsUrl: string, databaseUrl?: string, publicKey: string, variant?: string, nodeID?: string, redisUrl?: string, port?: number }}
 */
export const settings = read();
