import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/attachment.ts";
import { CitadelError } from "../../lib/errors.ts";
import { readHeader, TokenError, verifyJwt } from "../../lib/jwt.ts";
import {
  CREDENTIAL_RULES,
  CREDENTIAL_TYPE,
  signCallToken,
  signCredential,
} from "../../lib/service-token.ts";
import { readSigningKey } from "../../lib/signing-key.ts";
import { CREDENTIAL_HEADER } from "../../middlewares/service-guard/index.ts";
import { implement } from "../../mixins/contract.ts";
import { contract } from "./guard.contract.ts";

/** Gives services the tokens by which they prove themselves to each other. */
export default class GuardService extends Service {
  constructor(broker: ServiceBroker) {
    super(broker);
    const { callTokenTtl, production, secret } = configOf(broker);
    const signingKey = readSigningKey(secret("guard", "signing_key") ?? "");
    const verificationKey = { key: signingKey.publicKey, alg: signingKey.alg };

    /** The service whose credential this is. */
    const subjectOf = (credential: unknown): string => {
      try {
        const { kid } = readHeader(credential as string, CREDENTIAL_TYPE);
        if (kid !== signingKey.kid) throw new TokenError("signed by somebody else");
        return verifyJwt(credential as string, verificationKey, CREDENTIAL_RULES).sub;
      } catch (cause) {
        throw new CitadelError("ServiceTokenInvalid", { cause });
      }
    };

    this.parseServiceSchema(
      implement<typeof contract>(contract, {
        actions: {
          exchange: async (ctx) => {
            const credential: unknown = ctx.headers[CREDENTIAL_HEADER];
            if (credential === undefined) throw new CitadelError("ServiceTokenRequired");
            const token = signCallToken(signingKey, {
              subject: subjectOf(credential),
              audience: ctx.params.audience,
              lifetime: callTokenTtl,
            });
            return { token, expiresIn: callTokenTtl };
          },

          jwks: async () => ({ keys: [signingKey.jwk] }),

          generate: async (ctx) => {
            if (production)
              throw new CitadelError("ServiceNotAuthorized", {
                message: "In production, 'npm run credentials' makes credentials.",
              });
            return signCredential(signingKey, ctx.params.service);
          },
        },
      }),
    );
  }
}
