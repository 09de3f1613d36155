import { describe, expect, it } from "vitest";
import * as texts from "../../../services/users/mail/mail-texts.ts";
import { SUBJECTS } from "../../helpers/mail.ts";

const link = { url: "https://web.example.com/reset-password#token=abc", token: "abc" };

const mails = [
  ...Object.values(texts.LINK_MAILS).map((write) => write(link)),
  ...Object.values(texts.NOTICES),
  texts.addressAlreadyRegistered("alice"),
];

describe("the texts of the mails", () => {
  it.each(mails.map((mail) => [mail.subject, mail] as const))(
    "has short lines in the mail %j, and a subject that the tests know",
    (subject, { text }) => {
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
      expect(text.endsWith(".\n")).toBe(true);
      expect(Object.values(SUBJECTS).some((known) => known.test(subject))).toBe(true);
    },
  );

  it("has the link and its token on lines of their own", () => {
    for (const write of Object.values(texts.LINK_MAILS)) {
      const lines = write(link).text.split("\n");
      expect(lines).toContain(`  ${link.url}`);
      expect(lines).toContain(`  ${link.token}`);
    }
  });
});
