/** The database in which each service has a schema. */
export const DATABASE = "citadel";

/**
 * The script that the PostgreSQL superuser runs with psql before the services start. It creates a role for each service,
 * which owns the schema of the same name and has no rights outside it. The script may run again.
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
  return `-- Made by 'npm run credentials'; your changes would be lost.
\\set ON_ERROR_STOP on
REVOKE ALL ON DATABASE ${DATABASE}, postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
${statements.join("")}`;
}
