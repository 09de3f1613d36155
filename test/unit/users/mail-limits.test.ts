import { expect, it } from "vitest";
import { mailboxOf } from "../../../services/users/mail/mail-limits.ts";

it.each([
  ["Victim@Example.COM", "victim@example.com"],
  ["victim+1@example.com", "victim@example.com"],
  ["victim+a+b@example.com", "victim@example.com"],
  ["vic.tim@example.com", "vic.tim@example.com"],
  ["Vic.Tim+x@GoogleMail.com", "victim@gmail.com"],
])("A mail to %s counts for the mailbox %s", (address, mailbox) => {
  expect(mailboxOf(address)).toBe(mailbox);
});
