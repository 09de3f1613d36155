import { expect, it } from "vitest";
import { errorsOfEvent } from "../../../lib/asyncapi/errors.ts";
import { socketSections } from "../../../lib/asyncapi/document.ts";
import { defineContract } from "../../../lib/contract/contract.ts";
import { route } from "../../../lib/contract/route.ts";
import { routeSections } from "../../../lib/openapi/route-document.ts";

const vault = defineContract({
  name: "vault",
  actions: {
    open: route({
      description: "Opens the vault.",
      rest: "POST /api/vault",
      socket: "vault:open",
      auth: "required",
      permissions: "vault:open",
      roles: ["moderator", "admin"],
      params: {},
      result: null,
    }),
    look: route({
      description: "Looks at the vault.",
      rest: "GET /api/vault",
      socket: "vault:look",
      auth: "required",
      roles: ["admin"],
      params: {},
      result: null,
    }),
  },
});
const contracts = new Map([["vault", vault]]);

const textOf = (sections: readonly { text: string }[]) => sections.map(({ text }) => text).join();

it("docs/routes.md names the roles of which a caller needs one", () => {
  const text = textOf(routeSections(contracts));
  expect(text).toContain("| any user with `vault:open` and the role `moderator` or `admin` |");
  expect(text).toContain("| any user with the role `admin` |");
});

it("docs/sockets.md names the roles of which a client needs one", () => {
  const text = textOf(socketSections(contracts));
  expect(text).toContain(
    "Opens the vault. Needs the permission `vault:open`. Needs the role `moderator` or `admin`. |",
  );
  expect(text).toContain("Looks at the vault. Needs the role `admin`. |");
});

it("an acknowledgement of an event whose action declares roles can be UserNotAuthorized", () => {
  expect(errorsOfEvent(vault.actions.look)).toContain("UserNotAuthorized");
});
