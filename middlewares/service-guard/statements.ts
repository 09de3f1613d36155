import { attachment } from "../../lib/attachment.ts";
import { CitadelError } from "../../lib/errors.ts";
import { EVERY_NODE, signProof, verifyProof } from "../../lib/tokens/request-proof.ts";
import { audienceOfStatement } from "../../lib/tokens/service-token.ts";
import type { Statement } from "../../lib/tokens/statement.ts";
import type { CallTokens } from "./call-tokens.ts";
import { refusal, type Verifier } from "./verifier.ts";

/**
 * What a service says to every node. Any node can answer a call, so an answer that nodes rely on proves who
 * gave it: with a call token of the service and a signature by the key that the token is bound to.
 */
export class Statements {
  readonly #tokens: CallTokens;
  readonly #verifier: Verifier;

  constructor(tokens: CallTokens, verifier: Verifier) {
    this.#tokens = tokens;
    this.#verifier = verifier;
  }

  /**
   * States something in the name of a service of this process, for ten seconds.
   *
   * @throws CitadelError GuardNotAccessible, ServiceTokenRequired (the service has no credential), or the guard's refusal
   */
  async make<T>(service: string, topic: string, content: T): Promise<Statement<T>> {
    const audience = audienceOfStatement(topic);
    const grant = await this.#tokens.get(service, audience);
    if (!grant) throw new CitadelError("ServiceTokenRequired");
    const { token } = grant;
    const said = { service, target: audience, nodeID: EVERY_NODE, params: content, token };
    const proof = signProof({ ...this.#tokens.keyOf(service), alg: "ES256" }, said);
    return { content, token, proof };
  }

  /**
   * What was stated, if this service has stated it.
   *
   * @param statement what some node returned, whatever it is
   * @throws CitadelError ServiceTokenInvalid, or GuardNotAccessible where the guard's keys are not known
   */
  async verify<T>(
    service: string,
    topic: string,
    statement: Partial<Statement<T>> | null,
  ): Promise<T> {
    const { content, token = "", proof } = statement ?? {};
    const audience = audienceOfStatement(topic);
    const { caller, key } = await this.#verifier.verify(token, audience);
    if (caller !== service) throw new CitadelError("ServiceTokenInvalid");
    const said = { service, target: audience, nodeID: EVERY_NODE, params: content, token };
    try {
      verifyProof(proof, { key, alg: "ES256" }, said);
    } catch (error) {
      throw refusal(error);
    }
    // the proof is over it
    return content as T;
  }
}

const statements = attachment<Statements>("statements");

export const setStatements = statements.set;

/** What services of a broker state, and what others have stated to it. */
export const statementsOf = statements.of;
