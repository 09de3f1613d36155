import { expect, it } from "vitest";
import { nameBasedUuid, URL_NAMESPACE } from "../../../lib/tokens/name-based-uuid.ts";

it("nameBasedUuid gives the UUID of RFC 9562's example", () => {
  const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  expect(nameBasedUuid(dns, "www.example.com")).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  expect(nameBasedUuid(URL_NAMESPACE, "https://id.example.com/")).toMatch(/^[^-]+-[^-]+-5/);
});
