import type { ServiceBroker } from "moleculer";
import { attachment } from "../../lib/context/attachment.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import type { AccessTokenVerifier } from "../../lib/tokens/access-token-verifier.ts";
import type { Revocations } from "../../lib/tokens/revocations.ts";
import type { TokenLocals } from "./token-propagation.ts";

const revocations = attachment<Revocations>("revocations");
const verifiers = attachment<AccessTokenVerifier>("access token verifier");

export const setRevocations = revocations.set;
export const setVerifier = verifiers.set;

/** The revocations that this node knows. auth adds to them when it ends a session. */
export const revocationsOf = revocations.of;

/** This node's verifier, for tokens that do not arrive with a call: at the gateway and its sockets. */
export const accessTokenVerifierOf = verifiers.of;

/**
 * Verifies the caller's token again. Call it after slow work and before a change that cannot be undone: the token may
 * have been revoked since the call began.
 *
 * @throws CitadelError as AccessTokenVerifier.verify does
 */
export async function reverifyAccessToken({
  broker,
  locals,
}: {
  readonly broker: ServiceBroker;
  readonly locals: object;
}): Promise<void> {
  const { accessToken } = locals as TokenLocals;
  if (accessToken === undefined) throw new CitadelError("AccessTokenRequired");
  await verifiers.of(broker).verify(accessToken);
}
