import type { App } from "./app.ts";
import { login, type Person, register, request } from "./http.ts";

/** Creates a role, as an administrator. */
export async function makeRole(
  app: App,
  token: string,
  role: { name: string; permissions: string[]; staff?: boolean },
): Promise<{ version: number }> {
  const body = { title: role.name, ...role };
  const response = await request(app, "POST /api/roles", { token, body });
  if (response.status !== 201)
    throw new Error(`Creating a role failed: ${JSON.stringify(response.body)}`);
  return response.body;
}

/** Gives an account these roles. */
export const setRoles = (app: App, token: string, id: string, roles: string[]) =>
  request(app, `PUT /api/users/${id}/roles`, { token, body: { roles } });

/** Registers an account that has these roles, and signs it in. */
export async function withRoles(app: App, token: string, ...roles: string[]): Promise<Person> {
  const { id, username, password } = await register(app);
  const { status, body } = await setRoles(app, token, id, roles);
  if (status !== 200) throw new Error(`Giving roles failed: ${JSON.stringify(body)}`);
  return login(app, username, password);
}
