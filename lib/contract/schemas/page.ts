import type { Rule } from "./infer.ts";
import { CitadelError } from "../../errors/errors.ts";

/** The parameters of a list that is read in pages. */
export const PAGE_PARAMS = {
  limit: { type: "number", integer: true, min: 1, max: 100, default: 20, convert: true },
  cursor: "string|optional|max:200",
} as const;

/** The result of such a list. Its name is that of the items and `Page`. */
export const pageOf = <const R extends Rule>(item: R) =>
  ({
    type: "object",
    ...nameOf(item),
    props: {
      items: { type: "array", items: item },
      nextCursor: { type: "string", nullable: true },
    },
  }) as const;

const nameOf = (item: Rule): { name?: string } =>
  typeof item === "object" && item.type === "object" && item.name !== undefined
    ? { name: `${item.name}Page` }
    : {};

/** The last row of a page: the next page starts after it. */
export interface Position {
  at: Date;
  id: string;
}

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

/** The decoded text of a cursor: what `toISOString` writes of a time that PostgreSQL can store, and a UUID. */
const CURSOR =
  /^([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/;

/** Reads a cursor. @throws CitadelError VALIDATION_ERROR if it is malformed */
export function readCursor(cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const [, time = "", id = ""] = CURSOR.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  const at = new Date(time);
  if (Number.isNaN(at.getTime()))
    throw new CitadelError("VALIDATION_ERROR", { data: [{ field: "cursor", type: "cursor" }] });
  return { at, id };
}

/**
 * Makes a page of rows.
 *
 * @param rows the result of a query for `limit + 1` rows; the last of them only tells that there is a next page
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => Position,
  toItem: (row: Row) => Item,
): { items: Item[]; nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const position = rows.length > limit && last ? positionOf(last) : undefined;
  return {
    items: shown.map(toItem),
    nextCursor:
      position === undefined
        ? null
        : Buffer.from(`${position.at.toISOString()} ${position.id}`).toString("base64url"),
  };
}
