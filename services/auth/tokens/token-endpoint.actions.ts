import type { ActionContext, Handlers } from "../../../lib/contract/handlers.ts";
import { loadContracts, permissionsOf } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { FIRST_PARTY_CLIENT } from "../../../lib/tokens/access-token.ts";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { audit, auditCounted } from "../../../middlewares/audit.ts";
import type { contract } from "../auth.contract.ts";
import { GRANT_TYPES } from "../auth.schemas.ts";
import { partyOf } from "../service-accounts/service-accounts.actions.ts";
import type {
  ServiceAccount,
  ServiceAccountsRepository,
} from "../service-accounts/service-accounts.repository.ts";
import type { Refresh } from "../sessions/refresh.ts";
import { FIRST_GENERATION, type SignAccessToken } from "./access-tokens.ts";
import { grantScope, scopeOf } from "./scopes.ts";

type Actions = Handlers<typeof contract>["actions"];
type TokenContext = ActionContext<(typeof contract)["actions"]["token"]>;

interface TokenEndpointDependencies {
  /** Available after the service has started. */
  accounts: () => ServiceAccountsRepository;
  refresh: Refresh;
  sign: SignAccessToken;
  issuer: string;
}

const clientRefused = () =>
  new CitadelError("InvalidCredentials", { message: "The client's id or secret is wrong." });

/** OAuth's token endpoint and its metadata (RFC 6749, 3.2; RFC 8414). */
export function tokenEndpointActions({
  accounts,
  refresh,
  sign,
  issuer,
}: TokenEndpointDependencies): Pick<Actions, "token" | "metadata"> {
  /** The requesting service account; undefined: the public client, which has no secret (RFC 6749, 2.1). */
  const authenticate = async (ctx: TokenContext): Promise<ServiceAccount | undefined> => {
    const { grant_type: grant, client_id = FIRST_PARTY_CLIENT, client_secret } = ctx.params;
    if (client_secret === undefined) {
      if (client_id !== FIRST_PARTY_CLIENT) throw clientRefused();
      return undefined;
    }
    const { account, isAuthenticated } = await accounts().authenticate(client_id, client_secret);
    if (account && isAuthenticated) return account;
    const subject = account && { subject: partyOf(account) };
    auditCounted(ctx, { event: "login.failed", ...subject, data: { grant } });
    throw clientRefused();
  };

  const grantClientCredentials = (ctx: TokenContext, account: ServiceAccount | undefined) => {
    if (!account) throw clientRefused();
    const { grant_type: grant, scope } = ctx.params;
    const { id, name: username, permissions, subjectType, sid } = account;
    const granted = grantScope(permissions, scope);
    audit(ctx, { event: "token.issued", actor: partyOf(account), data: { grant } });
    const token = sign({
      ...granted,
      id,
      clientId: id,
      sid,
      generation: FIRST_GENERATION,
      username,
      roles: [],
      subjectType,
      ...(subjectType === SubjectType.EndUserApplication && { applicationId: id }),
    });
    return { ...token, ...scopeOf(granted) };
  };

  const grantRefreshToken = async (ctx: TokenContext, account: ServiceAccount | undefined) => {
    const { refresh_token, idempotency_key, scope } = ctx.params;
    if (refresh_token === undefined)
      throw new CitadelError("VALIDATION_ERROR", {
        data: [{ field: "refresh_token", type: "required", message: "This grant needs it." }],
      });
    // refresh tokens are issued to the public client only (RFC 6749, 5.2)
    if (account) throw new CitadelError("RefreshTokenInvalid");
    const { tokens, granted } = await refresh(ctx, { refresh_token, idempotency_key, scope });
    return { ...tokens, ...scopeOf(granted) };
  };

  return {
    token: async (ctx) => {
      const account = await authenticate(ctx);
      return ctx.params.grant_type === "refresh_token"
        ? grantRefreshToken(ctx, account)
        : grantClientCredentials(ctx, account);
    },

    metadata: async () => ({
      issuer,
      token_endpoint: new URL("/api/auth/token", issuer).href,
      jwks_uri: new URL("/.well-known/jwks.json", issuer).href,
      scopes_supported: permissionsOf(loadContracts()).toSorted(),
      // empty, since there is no authorization endpoint
      response_types_supported: [],
      grant_types_supported: [...GRANT_TYPES],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    }),
  };
}
