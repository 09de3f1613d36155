import { describe, expect, it } from "vitest";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import type { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { ServiceAccountGrants } from "../../../services/auth/service-accounts/grants.ts";

const lab: ServiceContract = {
  name: "lab",
  permissions: {
    use: { title: "Use", description: "Use." },
    reset: { title: "Reset", description: "Reset.", usedForDevelopment: true },
    control: { title: "Control", description: "Control.", usedByManagedServiceOnly: true },
  },
  actions: {},
};
const grantsIn = (production: boolean) =>
  new ServiceAccountGrants(new Map([["lab", lab]]), { production });

const creator = (subjectType: SubjectType, permissions = ["use", "reset"]) =>
  ({
    sub: "creator",
    permissions: { lab: permissions },
    subjectType,
  }) as unknown as AccessTokenClaims;

const refused = (type: string) => expect.objectContaining({ type });

describe("The permissions of a service account", () => {
  it.each([
    ["ServiceAccount", false, ["lab:use", "lab:reset"], ["lab:control", "lab:none"]],
    ["ServiceAccount", true, ["lab:use"], ["lab:reset", "lab:control"]],
    ["ManagedServiceAccount", false, ["lab:use", "lab:reset", "lab:control"], ["lab:none"]],
    ["ManagedServiceAccount", true, ["lab:use", "lab:control"], ["lab:reset"]],
  ] as const)(
    "of the type %s, in production: %s, may be %j and not %j",
    (type, production, may, not) => {
      const grants = grantsIn(production);
      expect(() => grants.mustBeGrantable(may, type)).not.toThrow();
      for (const name of not)
        expect(() => grants.mustBeGrantable([name], type)).toThrow(refused("VALIDATION_ERROR"));
    },
  );

  it("must be held by the creator", () => {
    const grants = grantsIn(false);
    expect(() => grants.mustHold(creator("UserAccount"), ["lab:use", "lab:reset"])).not.toThrow();
    for (const subjectType of ["UserAccount", "SuperUserAccount"] as const)
      expect(() => grants.mustHold(creator(subjectType, []), ["lab:use"])).toThrow(
        refused("UserNotAuthorized"),
      );
  });

  it("that only managed services may have are given by administrators of the environment", () => {
    const grants = grantsIn(false);
    for (const subjectType of ["SuperUserAccount", "EnvironmentAdminAccount"] as const)
      expect(() => grants.mustHold(creator(subjectType), ["lab:control"])).not.toThrow();
    expect(() => grants.mustHold(creator("UserAccount"), ["lab:control"])).toThrow(
      refused("UserNotAuthorized"),
    );
  });
});
