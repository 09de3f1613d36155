import type { Limits } from "../../lib/limits/limit.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DROPPED = "the mail is not sent";

/** The limits of the service, which its contract declares; docs/limits.md lists them. */
export const LIMITS = {
  loginsOfPair: {
    counts: "wrong passwords and codes for one name of an account, from one client address",
    per: "address",
    max: 10,
    seconds: 15 * MINUTE,
  },
  loginsOfAccount: {
    counts:
      "wrong passwords and codes for one name of it, from addresses that it has not signed in from",
    per: "account",
    max: 50,
    seconds: HOUR,
  },
  loginsOfAddress: {
    counts: "wrong passwords and codes for all accounts",
    per: "address",
    max: 100,
    seconds: 15 * MINUTE,
  },
  loginsEverywhere: {
    counts:
      "wrong passwords and codes for all accounts, from addresses that they have not signed in from",
    per: "application",
    max: 1_000,
    seconds: 15 * MINUTE,
    exceeded: "429 TooManyRequests for addresses that the account has not signed in from",
  },
  waitingLogins: {
    counts: "attempts to sign in to one account that wait for those before them",
    per: "address",
    max: 100,
  },
  codes: {
    counts: "wrong codes of the second factor with the right password, from any address",
    per: "account",
    max: 5,
    seconds: DAY,
    exceeded: "429 TooManyRequests during a delay after each further one, which doubles",
  },
  recoveryCodes: {
    counts: "wrong recovery codes: from all unknown addresses together, and from each known one",
    per: "account",
    max: 10,
    seconds: DAY,
  },
  registrations: { counts: "registrations that succeed", per: "address", max: 200, seconds: HOUR },
  runningRegistrations: {
    counts: "running registrations, so that sign-ins wait behind few of them",
    per: "address",
    max: 2,
    exceeded: "the registration waits",
  },
  waitingRegistrations: { counts: "waiting registrations", per: "address", max: 48 },
  roles: {
    counts: "roles made at run time",
    per: "application",
    max: 500,
    exceeded: "409 Conflict",
  },
  waitingHashes: {
    counts: "seconds until a thread is free for the last of the passwords that wait",
    per: "node",
    max: 12,
  },
  links: {
    counts: "requests of a link that sets a new password",
    per: "address",
    max: 100,
    seconds: HOUR,
    exceeded: "202 as always, and no mail",
  },
  linksOfAccount: {
    counts: "links of one purpose",
    per: "account",
    max: 3,
    seconds: HOUR,
    exceeded: "202 as always, and no mail",
  },
  addressChanges: {
    counts: "changes of the e-mail address",
    per: "account",
    max: 10,
    seconds: HOUR,
  },
  verificationMails: {
    counts: "mails with a link that verifies an address, which anyone can cause",
    per: "recipient",
    max: 6,
    seconds: 6 * HOUR,
    exceeded: DROPPED,
  },
  mailsToUnverified: {
    counts: "other mails to an unverified address, which anyone can cause by registering with it",
    per: "recipient",
    max: 10,
    seconds: 6 * HOUR,
    exceeded: DROPPED,
  },
  resetMails: {
    counts: "mails with a link that sets a new password, which anyone can cause",
    per: "recipient",
    max: 10,
    seconds: 6 * HOUR,
    exceeded: DROPPED,
  },
  notices: {
    counts: "notices of changes to a verified address, which take an access token or a password",
    per: "recipient",
    max: 30,
    seconds: 6 * HOUR,
    exceeded: DROPPED,
  },
} as const satisfies Limits;
