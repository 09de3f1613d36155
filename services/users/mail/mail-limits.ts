import { createHash } from "node:crypto";
import type { RateLimiterAbstract } from "rate-limiter-flexible";
import type { Client } from "../../../lib/context/client.ts";
import {
  AddressLimit,
  type LimitStore,
  makeLimiter,
  reserve,
  type Reservation,
} from "../../../lib/limits/counted-attempts.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { LIMITS } from "../users.limits.ts";

/**
 * The limits of the mails to one recipient, whatever accounts and clients cause them. Each kind has its own limit, so
 * that mails that anyone can cause do not use up the limit of security notices.
 */
const RECIPIENT_LIMITS = {
  "verify-email": LIMITS.verificationMails,
  unverified: LIMITS.mailsToUnverified,
  "reset-password": LIMITS.resetMails,
  notice: LIMITS.notices,
} as const;

export type MailKind = keyof typeof RECIPIENT_LIMITS;

/** Domains that ignore dots in mailbox names. */
const DOTLESS: ReadonlySet<string> = new Set(["gmail.com", "googlemail.com"]);

/** The mailbox of an address: in lower case, without `+tag`, and at Gmail without dots. @internal */
export function mailboxOf(address: string): string {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  const name = address.slice(0, at).toLowerCase().replace(/\+.*$/s, "");
  return DOTLESS.has(domain) ? `${name.replaceAll(".", "")}@gmail.com` : `${name}@${domain}`;
}

/** Limits mails by the client that causes them and by their recipient. The counters are in the database. */
export class MailLimits {
  readonly #registrations: AddressLimit;
  readonly #links: AddressLimit;
  readonly #moves: RateLimiterAbstract;
  readonly #recipients: Readonly<Record<MailKind, RateLimiterAbstract>>;

  constructor(store: LimitStore) {
    const toRecipient = (kind: MailKind) =>
      makeLimiter(store, `mail-to-${kind}`, RECIPIENT_LIMITS[kind]);
    this.#registrations = new AddressLimit(store, "registrations", LIMITS.registrations);
    this.#links = new AddressLimit(store, "mail-links", LIMITS.links);
    this.#moves = makeLimiter(store, "mail-moves", LIMITS.addressChanges);
    this.#recipients = {
      "verify-email": toRecipient("verify-email"),
      unverified: toRecipient("unverified"),
      "reset-password": toRecipient("reset-password"),
      notice: toRecipient("notice"),
    };
  }

  /**
   * Runs a registration, and counts it if it succeeds.
   *
   * @throws CitadelError TooManyRequests, before `work` runs
   */
  async countRegistration<T>(client: Client | undefined, work: () => Promise<T>): Promise<T> {
    const counted = await this.#registrations.reserve(client?.address ?? "");
    let isDone = false;
    try {
      const result = await work();
      isDone = true;
      return result;
    } finally {
      if (!isDone) await counted.release();
    }
  }

  /** Counts a password reset link that a client requests. @returns false beyond the limit */
  async countLinkRequest(client: Client | undefined): Promise<boolean> {
    return (await orUndefined(this.#links.reserve(client?.address ?? ""))) !== undefined;
  }

  /**
   * Counts a change of an account's e-mail address, since the new address gets a mail.
   *
   * @throws CitadelError TooManyRequests
   */
  async countAddressChange(accountId: string): Promise<void> {
    await reserve(this.#moves, accountId);
  }

  /** Counts a mail to a recipient. @returns undefined beyond the limit */
  async reserveMail(kind: MailKind, to: string): Promise<Reservation | undefined> {
    const key = createHash("sha256").update(mailboxOf(to)).digest("base64url");
    return orUndefined(reserve(this.#recipients[kind], key));
  }
}

async function orUndefined(reservation: Promise<Reservation>): Promise<Reservation | undefined> {
  try {
    return await reservation;
  } catch (error) {
    if (error instanceof CitadelError && error.type === "TooManyRequests") return undefined;
    throw error;
  }
}
