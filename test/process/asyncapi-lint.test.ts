import spectral from "@stoplight/spectral-core";
import rulesets from "@stoplight/spectral-rulesets";
import { describe, expect, it } from "vitest";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { describeSockets } from "../../services/api/docs/asyncapi.ts";
import { notes } from "../helpers/notes.ts";

const contracts = new Map<string, ServiceContract>([...loadContracts(), ["notes", notes]]);

/** The findings of Spectral's recommended rules; one of them is the JSON Schema of AsyncAPI 3.0. */
async function lint(document: object): Promise<string[]> {
  const linter = new spectral.Spectral();
  const rules = {
    // the document is one of 3.0, and the operator's e-mail address is not known
    "asyncapi-latest-version": "off",
    "asyncapi-info-contact-properties": "off",
  } as const;
  linter.setRuleset({ extends: [rulesets.asyncapi as spectral.RulesetDefinition], rules });
  const findings = await linter.run(structuredClone(document) as never);
  return findings.map(({ code, path }) => `${code} ${path.join(".")}`);
}

// Spectral takes seconds for one document
describe("The AsyncAPI document", { timeout: 60_000 }, () => {
  it.each(["http://localhost:3000", "https://api.citadel.test"])(
    "of %s has no finding of Spectral's recommended rules",
    async (issuer) => {
      expect(await lint(describeSockets(contracts, issuer))).toEqual([]);
    },
  );

  it("with an unknown action has a finding", async () => {
    const document: any = structuredClone(describeSockets(contracts, "http://localhost:3000"));
    document.operations["send.message"].action = "shout";
    expect(await lint(document)).not.toEqual([]);
  });
});
