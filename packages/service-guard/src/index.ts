/** The version of the sealed bus's records; nodes of different versions do not understand each other. */
export const PROTOCOL_VERSION = 1;
