/** The database in which each service has a schema. */
export const DATABASE = "citadel";

/**
 * What the PostgreSQL superuser runs, with psql, before the services start: a role for each service,
 * which owns the schema of the same name and may do nothing outside it. It may be run again.
 */
export function databaseRoles(roles: readonly { name: string; password: string }[]): string {
  const statements = roles.map(
    ({ name, password }) => `
SELECT 'CREATE ROLE "${name}"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') \\gexec
ALTER ROLE "${name}" LOGIN PASSWORD '${password}';
GRANT CONNECT ON DATABASE ${DATABASE} TO "${name}";
CREATE SCHEMA IF NOT EXISTS "${name}" AUTHORIZATION "${name}";
`,
  );
  return `-- Made by 'npm run credentials'; changes are lost.
\\set ON_ERROR_STOP on
REVOKE ALL ON DATABASE ${DATABASE}, postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
${statements.join("")}`;
}
