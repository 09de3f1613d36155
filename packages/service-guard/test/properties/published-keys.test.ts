import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { publishKeys, TrustedKeys } from "../../src/tokens/published-keys.ts";
import { makeSigningKey, readSigningKeys, thumbprint } from "../../src/tokens/signing-key.ts";

const [own] = readSigningKeys(makeSigningKey());
const trusting = () => {
  const keys = new TrustedKeys();
  keys.addAnchor(own.kid);
  keys.offer(publishKeys([own]), Date.now());
  return keys;
};

/** A key that anyone can publish: its thumbprint is correct, but its point may not be on the curve. */
const jwk = fc
  .tuple(fc.string(), fc.string())
  .map(([x, y]) => ({ kty: "EC", crv: "P-256", x, y, kid: thumbprint(x, y) }));

describe("The keys of a guard whose nodes restart one after the other", () => {
  const [other] = readSigningKeys(makeSigningKey());
  const [old, both, fresh] = [[own], [own, other], [other]].map(publishKeys);
  const now = Date.now();

  it("are trusted again if a guard node that lists a new key follows one that does not", () => {
    const keys = trusting();
    for (const list of [both, old, both, fresh]) keys.replace(list, now);
    expect(keys.get(other.kid)).toBeDefined();
    expect(keys.get(own.kid)).toBeUndefined();
  });

  it("stay retired for lists without a channel, even if they created this node's credential", () => {
    const keys = trusting();
    for (const list of [both, fresh]) keys.replace(list, now);
    for (const list of [both, old]) keys.offer(list, now);
    expect(keys.get(own.kid)).toBeUndefined();
    expect(keys.isNew(old)).toBe(false);
  });

  it("are kept if a list is malformed or another guard's", () => {
    const keys = trusting();
    for (const list of [publishKeys(readSigningKeys(makeSigningKey())), {}, null])
      expect(keys.replace(list, now)).toBe(false);
    expect(keys.get(own.kid)).toBeDefined();
  });
});

describe("The keys that an unknown sender publishes", () => {
  it("never cause an error and are never trusted, whatever their form", () => {
    const published = fc.oneof(
      fc.record({ keys: fc.array(jwk), endorsements: fc.array(fc.string()) }),
      fc.record({ keys: fc.array(fc.jsonValue()), endorsements: fc.jsonValue() }),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(published, (value) => {
        const keys = trusting();
        keys.offer(value, Date.now());
        expect(keys.get(own.kid)).toBeDefined();
        const { keys: offered } = (value ?? {}) as { keys?: { kid?: unknown }[] };
        for (const one of Array.isArray(offered) ? offered : [])
          expect(keys.get(String(one?.kid))).toBeUndefined();
      }),
    );
  });
});
