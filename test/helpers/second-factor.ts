import { generateSync } from "otplib";
import { usersOf } from "./accounts.ts";
import type { App } from "./app.ts";
import { PASSWORD, type Person, register, request } from "./http.ts";

export const FACTOR = "/api/auth/second-factor";

export interface PersonWithFactor extends Person {
  secret: string;
  codes: string[];
}

/** The code that an authenticator app shows now. */
export const codeOf = (secret: string) => generateSync({ secret });

/** Allows a test to use the code of the current time step again. */
export const forgetSteps = (app: App, accountId: string) =>
  usersOf(app)
    .db.updateTable("second_factors")
    .set({ last_step: null })
    .where("account_id", "=", accountId)
    .execute();

export const propose = (app: App, token: string, password = PASSWORD) =>
  request(app, `POST ${FACTOR}`, { token, body: { password } });

export const confirm = (app: App, token: string, otp: string) =>
  request(app, `POST ${FACTOR}/confirm`, { token, body: { otp } });

/** Registers an account and enables its second factor. */
export async function registerWithFactor(app: App): Promise<PersonWithFactor> {
  const person = await register(app);
  const { secret } = (await propose(app, person.token)).body;
  const { status, body } = await confirm(app, person.token, codeOf(secret));
  if (status !== 200) throw new Error(`Confirming failed: ${JSON.stringify(body)}`);
  await forgetSteps(app, person.id);
  return { ...person, secret, codes: body.recoveryCodes };
}
