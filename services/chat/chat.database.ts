import type { Generated, Kysely, Transaction } from "kysely";

export interface ChatDatabase {
  rooms: {
    id: string;
    name: string;
    private: boolean;
    kind: Generated<"lobby" | "group" | "direct">;
    pair: string | null;
    /** The number of the newest message or change. */
    seq: Generated<number>;
    epoch: Generated<number>;
    announced: Generated<number>;
    changed_at: Generated<Date>;
  };
  members: {
    room_id: string;
    user_id: string;
    username: string;
    role: "owner" | "member";
    created_at: Generated<Date>;
  };
  read_cursors: { user_id: string; room_id: string; seq: number };
  blocks: { user_id: string; blocked_id: string; created_at: Generated<Date> };
  messages: {
    id: string;
    room_id: string;
    seq: number;
    user_id: string | null;
    username: string;
    text: string;
    client_id: string | null;
    created_at: Generated<Date>;
    reply_to: string | null;
    edited_at: Date | null;
    deleted_at: Date | null;
    search: Generated<unknown>;
  };
  changes: {
    room_id: string;
    seq: number;
    message_id: string;
    message_seq: number;
    user_id: string;
    text: string | null;
    created_at: Date;
  };
  gateways: { node_id: string; lease_until: Date };
  presence: { node_id: string; room_id: string; user_id: string };
}

export type ChatDb = Kysely<ChatDatabase>;
export type ChatTransaction = Transaction<ChatDatabase>;
