import { createConfig, lintFromString } from "@redocly/openapi-core";
import spectral from "@stoplight/spectral-core";
import rulesets from "@stoplight/spectral-rulesets";
import { describe, expect, it } from "vitest";
import { buildOpenApi } from "../../services/api/docs/openapi.ts";

describe.each(["http://localhost:3000", "https://api.citadel.test"])(
  "The OpenAPI document of %s",
  (issuer) => {
    const document = buildOpenApi(issuer);

    it("passes Spectral's recommended rules", async () => {
      const linter = new spectral.Spectral();
      linter.setRuleset({ extends: [rulesets.oas as spectral.RulesetDefinition], rules: {} });
      const findings = await linter.run(structuredClone(document) as never);
      expect(findings.map(({ code, path }) => `${code} ${path.join(".")}`)).toEqual([]);
    });

    it("passes Redocly's recommended rules", async () => {
      const config = await createConfig({ extends: ["recommended"] });
      const findings = await lintFromString({ source: JSON.stringify(document), config });
      expect(findings.map(({ ruleId, location }) => [ruleId, location[0]?.pointer])).toEqual([]);
    });
  },
);
