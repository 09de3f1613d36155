import type { Kysely } from "kysely";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("service_accounts")
    // accounts from before this column was added were all of this kind
    .addColumn("subject_type", "text", (column) =>
      column.notNull().defaultTo(SubjectType.ServiceAccount),
    )
    .execute();
}
