import type { Generated } from "kysely";
import type { Algorithm } from "../../lib/tokens/jwt.ts";

export interface Sessions {
  id: string;
  /** The user or the service account. */
  user_id: string;
  tenant_id: string;
  environment_id: string;
  created_at: Generated<Date>;
  last_used_at: Generated<Date>;
  /** Null: it lives until it is ended. */
  expires_at: Date | null;
  ended_at: Generated<Date | null>;
  device: string | null;
  address: string | null;
  impersonator_id: string | null;
  impersonator: string | null;
  /** The session that an impersonation began in, and ends with. */
  parent_id: string | null;
  /** Its tokens of older ones are refused. */
  generation: Generated<number>;
  renewed_at: Generated<Date | null>;
  /** Until when its newest access token lives, whatever ACCESS_TOKEN_TTL was then. */
  tokens_until: Generated<Date>;
  /** When the user last gave the password in it. */
  confirmed_at: Generated<Date>;
}

export interface ServiceAccounts {
  id: string;
  name: string;
  permissions: string[];
  secret_hash: string;
  session_id: string;
  created_at: Generated<Date>;
  /** Whoever made it, if that is known; the account goes on without them. */
  created_by: string | null;
}

/** auth's own schema. */
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
