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

/** How often somebody may do what sends mail, in how many seconds. Addresses of clients count by their networks. */
const REQUEST_LIMITS = {
  /** Accounts that are registered from one address. */
  registrations: { points: 200, duration: 3_600 },
  /** Links that are asked for from one address. */
  links: { points: 100, duration: 3_600 },
  /** Other addresses that one account is given. */
  moves: { points: 10, duration: 3_600 },
} as const;

/**
 * How many mails one recipient gets, in how many seconds, whatever accounts and clients cause them. Each kind has
 * its own limit: who uses up what anybody can cause must not silence the warnings.
 */
const RECIPIENT_LIMITS = {
  /** What anybody can have sent to any address: links that verify it. */
  "verify-email": { points: 6, duration: 6 * 3_600 },
  /** What else anybody can have sent to any address: an account may claim it without verifying it. */
  unverified: { points: 10, duration: 6 * 3_600 },
  /** What anybody can have sent to the verified address of an account: links that set a password. */
  "reset-password": { points: 10, duration: 6 * 3_600 },
  /** What tells a verified address of a change, which takes a token or a password. */
  notice: { points: 30, duration: 6 * 3_600 },
} as const;

export type MailKind = keyof typeof RECIPIENT_LIMITS;

/** Domains whose mailboxes ignore dots. */
const DOTLESS: ReadonlySet<string> = new Set(["gmail.com", "googlemail.com"]);

/** The mailbox that an address leads to: without the case, `+tag`, and Gmail's dots. */
export function mailboxOf(address: string): string {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  const name = address.slice(0, at).toLowerCase().replace(/\+.*$/s, "");
  return DOTLESS.has(domain) ? `${name.replaceAll(".", "")}@gmail.com` : `${name}@${domain}`;
}

/** Limits mails by who causes them and by who gets them; all nodes count together. */
export class MailLimits {
  readonly #registrations: AddressLimit;
  readonly #links: AddressLimit;
  readonly #moves: RateLimiterAbstract;
  readonly #recipients: Readonly<Record<MailKind, RateLimiterAbstract>>;

  constructor(store: LimitStore) {
    const toRecipient = (kind: MailKind) =>
      makeLimiter(store, `mail-to-${kind}`, RECIPIENT_LIMITS[kind]);
    this.#registrations = new AddressLimit(store, "registrations", REQUEST_LIMITS.registrations);
    this.#links = new AddressLimit(store, "mail-links", REQUEST_LIMITS.links);
    this.#moves = makeLimiter(store, "mail-moves", REQUEST_LIMITS.moves);
    this.#recipients = {
      "verify-email": toRecipient("verify-email"),
      unverified: toRecipient("unverified"),
      "reset-password": toRecipient("reset-password"),
      notice: toRecipient("notice"),
    };
  }

  /**
   * Counts a registration, unless it fails.
   *
   * @throws CitadelError TooManyRequests; `work` has then not run
   */
  async registration<T>(client: Client | undefined, work: () => Promise<T>): Promise<T> {
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

  /** Counts a link that a client asks for. @returns may it be sent? */
  async allowsLink(client: Client | undefined): Promise<boolean> {
    return (await orNone(this.#links.reserve(client?.address ?? ""))) !== undefined;
  }

  /**
   * Counts that somebody names another address, to which mail then goes.
   *
   * @throws CitadelError TooManyRequests
   */
  async move(accountId: string): Promise<void> {
    await reserve(this.#moves, accountId);
  }

  /** Counts a mail to a recipient. @returns undefined: it must not be sent */
  async reserveMail(kind: MailKind, to: string): Promise<Reservation | undefined> {
    const key = createHash("sha256").update(mailboxOf(to)).digest("base64url");
    return orNone(reserve(this.#recipients[kind], key));
  }
}

async function orNone(reservation: Promise<Reservation>): Promise<Reservation | undefined> {
  try {
    return await reservation;
  } catch (error) {
    if (error instanceof CitadelError && error.type === "TooManyRequests") return undefined;
    throw error;
  }
}
