import type UsersService from "../../services/users/users.service.ts";
import type { App } from "./app.ts";
import { PASSWORD, type Person, register, request } from "./http.ts";
import { mailTo, SUBJECTS } from "./mail.ts";

export const NEW_PASSWORD = "another correct horse";

/** The users service of the application, for state that no route shows. */
export const usersOf = (app: App) => app.service("users") as unknown as UsersService;

/** The row of an account. */
export const accountOf = async (app: App, { id }: Pick<Person, "id">) =>
  (await usersOf(app).accounts.find(id))!;

/** The address that `register` chooses. */
export const emailOf = ({ username }: Pick<Person, "username">) => `${username}@example.com`;

export const verifyEmail = (app: App, token: unknown) =>
  request(app, "POST /api/auth/verify-email", { body: { token } });

export const changeEmail = (app: App, { token }: Pick<Person, "token">, email: string) =>
  request(app, "PATCH /api/users/me", { token, body: { email, currentPassword: PASSWORD } });

export const restoreEmail = (app: App, token: unknown) =>
  request(app, "POST /api/auth/restore-email", { body: { token } });

export const forgotPassword = (app: App, email: unknown) =>
  request(app, "POST /api/auth/forgot-password", { body: { email } });

export const resetPassword = (app: App, token: unknown, newPassword = NEW_PASSWORD) =>
  request(app, "POST /api/auth/reset-password", { body: { token, newPassword } });

/** Requests a password reset, and reads the token of the mailed link. */
export async function resetTokenOf(app: App, person: Person): Promise<string> {
  await forgotPassword(app, emailOf(person));
  return (await mailTo(app, emailOf(person), SUBJECTS.resetPassword)).token!;
}

/** Signs in without the error that `login` throws. */
export const tryLogin = (app: App, username: string, password: string, otp?: string) =>
  request(app, "POST /api/auth/login", { body: { username, password, otp } });

export const canLogin = async (app: App, username: string, password: string) =>
  (await tryLogin(app, username, password)).status === 200;

/** Registers an account and verifies its address. */
export async function registerVerified(app: App): Promise<Person> {
  const person = await register(app);
  const { token } = await mailTo(app, emailOf(person), SUBJECTS.verifyEmail);
  const { status, body } = await verifyEmail(app, token);
  if (status !== 204) throw new Error(`Verifying the address failed: ${JSON.stringify(body)}`);
  return person;
}
