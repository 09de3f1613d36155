/**
 * A user id from a request as the access token has it: in lower case. A UUID may be sent in upper case, too (RFC 9562,
 * section 4). PostgreSQL compares both as equal, but texts and the names of Socket.IO rooms differ.
 */
export const toUserId = (uuid: string): string => uuid.toLowerCase();
