import { describe, expect, it } from "vitest";
import { checkPassword } from "../../../services/users/passwords/password-rules.ts";
import { comparisons } from "../../../services/users/passwords/passwords.ts";
import { compare, hash } from "../../../services/users/passwords/hashing-worker.ts";

const hashOfCost = (cost: number) =>
  `$2b$${String(cost).padStart(2, "0")}$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe`;

const work = (hashes: string[]) =>
  hashes.reduce((sum, one) => sum + 2 ** Number(one.split("$")[2]), 0);

describe("the comparisons of a password", () => {
  it.each([undefined, hashOfCost(4), hashOfCost(7), hashOfCost(11), hashOfCost(12)])(
    "take the same work for the hash %j as for any other",
    (own) => {
      const hashes = comparisons(own, 12);
      expect(work(hashes)).toBe(2 ** 12);
      if (own) expect(hashes[0]).toBe(own);
    },
  );
});

describe("the hashing worker", () => {
  it("returns whether the first of several hashes matches", () => {
    const [own, other] = ["correct horse", "another password"].map((password) =>
      hash([password, 4]),
    );
    expect(compare(["correct horse", [own!, other!]])).toBe(true);
    expect(compare(["correct horse", [other!, own!]])).toBe(false);
  });
});

describe("checkPassword", () => {
  const alice = { username: "alice", email: "Al.Liddell@example.com" };

  it.each([
    ["password1", "passwordCommon"],
    ["PassWord1", "passwordCommon"],
    ["12345678", "passwordCommon"],
    ["my-Alice-2026", "passwordHasUsername"],
    ["al.liddell", "passwordIsEmail"],
    ["al.liddell@example.COM", "passwordIsEmail"],
    ["é".repeat(37), "bytesMax"],
  ])("refuses %j, and does not repeat it in the error", (password, type) => {
    const data = [{ field: "newPassword", type, message: expect.any(String) }];
    expect(() => checkPassword(password, alice, "newPassword")).toThrow(
      expect.objectContaining({ type: "VALIDATION_ERROR", data }),
    );
    try {
      checkPassword(password, alice);
    } catch (error) {
      expect(JSON.stringify(error)).not.toContain(password);
    }
  });

  it.each(["correct horse", "correct horse battery", "another password", "é".repeat(36)])(
    "accepts %j",
    (password) => {
      expect(() => checkPassword(password, alice)).not.toThrow();
    },
  );
});
