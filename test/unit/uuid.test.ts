import { expect, it } from "vitest";
import { URL_NAMESPACE, uuidOf } from "../../lib/uuid.ts";

it("a UUID of a name is that of RFC 9562", () => {
  const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  expect(uuidOf(dns, "www.example.com")).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  expect(uuidOf(URL_NAMESPACE, "https://id.example.com/")).toMatch(/^[^-]+-[^-]+-5/);
});
