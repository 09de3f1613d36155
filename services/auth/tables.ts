import type { Generated } from "kysely";
import type { Algorithm } from "../../lib/tokens/jwt.ts";
import type { PROGRAM_SUBJECT_TYPES } from "./auth.schemas.ts";

export interface Sessions {
  id: string;
  /** The id of a user or a service account. */
  user_id: string;
  tenant_id: string;
  environment_id: string;
  created_at: Generated<Date>;
  last_used_at: Generated<Date>;
  /** Null: it does not expire. */
  expires_at: Date | null;
  ended_at: Generated<Date | null>;
  device: string | null;
  address: string | null;
  impersonator_id: string | null;
  impersonator: string | null;
  /** The impersonator's session; when it ends, so does this one. */
  parent_id: string | null;
  /** Access tokens of older generations are refused. */
  generation: Generated<number>;
  renewed_at: Generated<Date | null>;
  /** When its last access token expires, whatever ACCESS_TOKEN_TTL was when it was issued. */
  tokens_until: Generated<Date>;
  /** When the user last confirmed it with the password. */
  confirmed_at: Generated<Date>;
}

/** The kinds of service account. */
export type ProgramSubjectType = (typeof PROGRAM_SUBJECT_TYPES)[number];

export interface ServiceAccounts {
  id: string;
  name: string;
  permissions: string[];
  subject_type: ProgramSubjectType;
  secret_hash: string;
  session_id: string;
  created_at: Generated<Date>;
  /** The id of the user who created it; null: not recorded. */
  created_by: string | null;
}

/** The tables of auth's database schema. */
export interface AuthDatabase {
  sessions: Sessions;
  refresh_tokens: {
    hash: string;
    session_id: string;
    expires_at: Date;
    used_at: Generated<Date | null>;
  };
  signing_keys: {
    kid: string;
    alg: Algorithm;
    /** Encrypted. */
    private_key: string;
    created_at: Generated<Date>;
    signs_from: Date;
  };
  service_accounts: ServiceAccounts;
}
