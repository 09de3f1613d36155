import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  isRecoveryCode,
  makeRecoveryCodes,
  normalise,
  RecoveryCodeHashes,
} from "../../../services/users/second-factor/recovery-codes.ts";

describe("makeRecoveryCodes", () => {
  it("makes ten different codes that are recognized in any notation", () => {
    const codes = makeRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) {
      expect(isRecoveryCode(normalise(code))).toBe(true);
      expect(isRecoveryCode(normalise(` ${code.toLowerCase().replaceAll("-", " ")}`))).toBe(true);
    }
  });
});

describe("isRecoveryCode", () => {
  it.each(["123456", "000000000000", "ABCD-EFGH-JKL", "ABCD-EFGH-JKLM-N"])(
    "refuses %s, which has another form",
    (code) => {
      expect(isRecoveryCode(normalise(code))).toBe(false);
    },
  );
});

describe("RecoveryCodeHashes", () => {
  const code = "K7QM-2XWD-9RTA";

  it("hashes a code to the same HMAC in any notation", () => {
    const hashes = new RecoveryCodeHashes("account", "SECRET");
    expect(hashes.of(code)).toMatch(/^hmac\.[\w-]{43}$/);
    expect(hashes.of("k7qm2xwd9rta")).toBe(hashes.of(code));
  });

  it("hashes it differently for another account and for another secret", () => {
    const hash = new RecoveryCodeHashes("account", "SECRET").of(code);
    expect(new RecoveryCodeHashes("another", "SECRET").of(code)).not.toBe(hash);
    expect(new RecoveryCodeHashes("account", "OTHER").of(code)).not.toBe(hash);
  });

  it("turns a stored plain hash into the HMAC of its code", () => {
    const hashes = new RecoveryCodeHashes("account", "SECRET");
    const plain = createHash("sha256").update("account K7QM2XWD9RTA").digest("base64url");
    expect(hashes.ofPlainHash(plain)).toBe(hashes.of(code));
  });
});
