import { generateSync } from "otplib";
import type UsersService from "../../services/users/users.service.ts";
import type { App } from "./app.ts";
import { PASSWORD, type Person, register, request } from "./http.ts";

export const FACTOR = "/api/auth/second-factor";

/** Somebody with a second factor. */
export interface PersonWithFactor extends Person {
  secret: string;
  codes: string[];
}

/** The code that an authenticator shows now. */
export const codeOf = (secret: string) => generateSync({ secret });

/** As if the last code had been used long ago. */
export const forgetSteps = (app: App, accountId: string) =>
  (app.service("users") as unknown as UsersService).db
    .updateTable("second_factors")
    .set({ last_step: null })
    .where("account_id", "=", accountId)
    .execute();

export const propose = (app: App, token: string, password = PASSWORD) =>
  request(app, `POST ${FACTOR}`, { token, body: { password } });

export const confirm = (app: App, token: string, otp: string) =>
  request(app, `POST ${FACTOR}/confirm`, { token, body: { otp } });

/** Somebody new, with a second factor. */
export async function registerWithFactor(app: App): Promise<PersonWithFactor> {
  const person = await register(app);
  const { secret } = (await propose(app, person.token)).body;
  const { status, body } = await confirm(app, person.token, codeOf(secret));
  if (status !== 200) throw new Error(`Confirming failed: ${JSON.stringify(body)}`);
  await forgetSteps(app, person.id);
  return { ...person, secret, codes: body.recoveryCodes };
}
