import { Client } from "pg";
import type { Order } from "./messages.ts";

/** What the tables of both services say after a run. */
export interface Judgement {
  /** Acknowledged orders without an invoice. */
  readonly lost: number;
  /** Invoices beyond the first of their order. */
  readonly doubled: number;
  /** Invoices of orders that were not stored. */
  readonly invented: number;
  /** Invoices that came before one with a smaller number of the same customer. */
  readonly outOfOrder: number;
  /** Events that were emitted and not handled. */
  readonly unhandled: number;
  readonly failedJobs: number;
}

/** A run without a fault in the application. */
export const FLAWLESS: Judgement = {
  lost: 0,
  doubled: 0,
  invented: 0,
  outOfOrder: 0,
  unhandled: 0,
  failedJobs: 0,
};

/** Each order emits `order.placed` and `order.seen`. */
const EVENTS = 2;

const STATEMENTS = {
  doubled: `select (count(*) - count(distinct "order"))::int as n from billing.invoices`,
  invented: `select count(*)::int as n from billing.invoices
    where not exists (select from orders.orders where id = "order")`,
  outOfOrder: `select count(*)::int as n from (
      select number, lag(number) over (partition by customer order by place) as before from billing.invoices
    ) as each where before > number`,
  unhandled: `select ${EVENTS} * (select count(*) from orders.orders)::int
    - (select count(*) from billing.inbox)::int as n`,
  failedJobs: `select count(*)::int as n from orders.job where state = 'failed'`,
  waiting: `select count(*)::int as n from orders.job where name like '%events/%'`,
  billed: `select count(distinct "order")::int as n from billing.invoices`,
} as const;

/** The tables of both services. */
export class Tables {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async count(what: keyof typeof STATEMENTS): Promise<number> {
    const [row] = await this.#query<{ n: number }>(STATEMENTS[what]);
    return row?.n ?? NaN;
  }

  async judge(acknowledged: readonly Order[]): Promise<Judgement> {
    const invoices = await this.#query<{ order: string }>(`select "order" from billing.invoices`);
    const billed = new Set(invoices.map(({ order }) => order));
    return {
      lost: acknowledged.filter(({ id }) => !billed.has(id)).length,
      doubled: await this.count("doubled"),
      invented: await this.count("invented"),
      outOfOrder: await this.count("outOfOrder"),
      unhandled: await this.count("unhandled"),
      failedJobs: await this.count("failedJobs"),
    };
  }

  async #query<Row>(text: string): Promise<Row[]> {
    const client = new Client({ connectionString: this.#url });
    await client.connect();
    try {
      return (await client.query(text)).rows as Row[];
    } finally {
      await client.end();
    }
  }
}
