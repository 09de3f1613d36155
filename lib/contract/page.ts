import type { Rule } from "./infer.ts";
import { CitadelError } from "../errors/errors.ts";

/** The parameters of every list. */
export const PAGE_PARAMS = {
  limit: { type: "number", integer: true, min: 1, max: 100, default: 20, convert: true },
  cursor: "string|optional|max:200",
} as const;

/** The result of every list. */
export const pageOf = <const R extends Rule>(item: R) =>
  ({
    type: "object",
    props: {
      items: { type: "array", items: item },
      nextCursor: { type: "string", nullable: true },
    },
  }) as const;

/** The start of a page: the row after the one with this time and id. */
export interface Position {
  at: Date;
  id: string;
}

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

/** Reads a cursor. @throws CitadelError VALIDATION_ERROR for one that no list returned */
export function readCursor(cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const [time = "", id = ""] = Buffer.from(cursor, "base64url").toString().split(" ");
  const at = new Date(time);
  if (Number.isNaN(at.getTime()) || !/^[\da-f-]{36}$/.test(id))
    throw new CitadelError("VALIDATION_ERROR", { data: [{ field: "cursor", type: "cursor" }] });
  return { at, id };
}

/**
 * Makes a page of rows. The query reads one row more than `limit`: if that row exists, there is a next page.
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
