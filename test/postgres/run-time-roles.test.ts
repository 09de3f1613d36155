import { sql } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import UsersService from "../../services/users/users.service.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { makeRole } from "../helpers/roles.ts";

describe.skipIf(isMissing)("Giving and removing a role at the same time on PostgreSQL", () => {
  const app = application();
  let admin: User;

  beforeAll(async () => {
    admin = await app.administrator();
  });

  const database = () => app.instance(UsersService).db;

  /** How many transactions wait for a lock. */
  const countWaiting = async () => {
    const { rows } = await sql`
      select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `.execute(database());
    return rows.length;
  };

  const rolesOf = async (id: string) =>
    (await admin.request("GET /api/users/:id", { path: { id } })).body.roles;

  it("refuses the removal if the account gets the role first", async () => {
    await makeRole(app, admin.token, { name: "first", permissions: ["posts:moderate"] });
    const { id } = await app.register();
    const { roles } = app.instance(UsersService);
    const { removing } = await database()
      .transaction()
      .execute(async (trx) => {
        // the statements of changeRoles
        await roles.knownLocked(["first"], trx);
        const request = admin.refusal("DELETE /api/roles/:name", { path: { name: "first" } });
        await expect.poll(countWaiting).toBe(1);
        await trx
          .updateTable("accounts")
          .set({ roles: ["first"] })
          .where("id", "=", id)
          .execute();
        return { removing: request };
      });
    expect((await removing).body.type).toBe("Conflict");
    expect(await rolesOf(id)).toEqual(["first"]);
  });

  it("refuses the role if it is removed first", async () => {
    await makeRole(app, admin.token, { name: "second", permissions: ["posts:moderate"] });
    const { id } = await app.register();
    const { giving } = await database()
      .transaction()
      .execute(async (trx) => {
        await trx.deleteFrom("roles").where("name", "=", "second").execute();
        const request = admin.refusal("PUT /api/users/:id/roles", {
          path: { id },
          body: { roles: ["second"] },
        });
        await expect.poll(countWaiting).toBe(1);
        return { giving: request };
      });
    const { status, body } = await giving;
    expect([status, body]).toMatchObject([422, { data: [{ type: "roleUnknown" }] }]);
    expect(await rolesOf(id)).toEqual(["user"]);
  });
});
