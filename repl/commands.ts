import { inspect, styleText } from "node:util";
import type { ServiceBroker } from "moleculer";
import { decide, findAction, type Subject } from "../lib/access/access.ts";
import type { ActionName, ResultOf } from "../lib/contract/calls.ts";
import { loadContracts } from "../lib/contract/load.ts";
import type { ErrorType } from "../lib/errors/errors.ts";
import type { Finding } from "../lib/contract/schemas/findings.ts";
import { ownContext } from "../lib/context/own-context.ts";
import { jobs } from "./jobs.ts";

// The REPL belongs to the operator who started the process, so it can sign in as any user.

interface Arguments {
  options: Record<string, unknown>;
  [name: string]: unknown;
}

type User = Extract<Subject, { kind: "user" }>;

type UserSubject = Pick<User, "permissions" | "roles" | "subjectType">;

interface UsersService {
  signIn(login: string): Promise<ResultOf<"auth.generateToken">>;
  subjectOf(login: string): Promise<UserSubject | undefined>;
  subjectOfRole(name: string): Promise<UserSubject | undefined>;
}

/** The access tokens of `login` and `as`, by username or e-mail address. */
const tokens = new Map<string, string>();

/** The errors after which `as` signs in again. */
const ENDED: ReadonlySet<unknown> = new Set<ErrorType>([
  "AccessTokenExpired",
  "AccessTokenRevoked",
]);

const print = (colour: "green" | "red" | "yellow", text: string) =>
  console.log(process.stdout.isTTY ? styleText(colour, text) : text);

function serviceHere(broker: ServiceBroker, name: string) {
  const service = broker.getLocalService(name);
  if (!service) throw new Error(`The service '${name}' does not run in this process.`);
  return service;
}

const usersHere = (broker: ServiceBroker) =>
  serviceHere(broker, "users") as unknown as UsersService;

async function signIn(broker: ServiceBroker, login: string): Promise<string> {
  const { access_token } = await usersHere(broker).signIn(login);
  tokens.set(login, access_token);
  return access_token;
}

/** A service, a role, an anonymous caller, or a user by name. */
async function subjectNamed(broker: ServiceBroker, name: string): Promise<Subject | undefined> {
  const contracts = loadContracts();
  if (contracts.has(name)) return { kind: "service", name };
  if (name === "anonymous") return { kind: "anonymous" };
  const users = usersHere(broker);
  const found = (await users.subjectOfRole(name)) ?? (await users.subjectOf(name));
  return found && { kind: "user", name, ...found };
}

async function can(broker: ServiceBroker, args: Arguments): Promise<void> {
  const { who, target: first, path } = args as Partial<Record<string, string>>;
  const target = path === undefined ? String(first) : `${first} ${path}`;
  const action = findAction(loadContracts(), target);
  if (!action) return print("red", `There is no action, route or subscription '${target}'.`);
  const subject = await subjectNamed(broker, String(who));
  if (!subject) return print("red", `There is no service, role or user '${who}'.`);
  const { allowed, rule } = decide(subject, action.name, action.access);
  print(allowed ? "green" : "red", `${allowed ? "yes" : "no"}: ${rule}`);
}

async function callAs(broker: ServiceBroker, args: Arguments): Promise<void> {
  const { user, action, options } = args as { user: string; action: ActionName } & Arguments;
  const api = serviceHere(broker, "api");
  const callWith = (token: string) => ownContext(api, { accessToken: token }).call(action, options);
  const known = tokens.get(user);
  try {
    console.log(await callWith(known ?? (await signIn(broker, user))));
  } catch (error) {
    const hasEnded = ENDED.has((error as { type?: unknown }).type);
    if (!known || !hasEnded) throw error;
    console.log(await callWith(await signIn(broker, user)));
  }
}

/** The lines for an error's data. For invalid parameters: each field and its problem. */
const linesOf = (data: unknown): string[] =>
  (Array.isArray(data) ? (data as unknown[]) : [data]).flatMap((one) => {
    if (one === undefined) return [];
    const { field, type, message } = one as Partial<Finding>;
    if (type === undefined) return [inspect(one, { depth: 4 })];
    return [`${field === undefined ? "" : `${field}: `}${message ?? type}`];
  });

/** Runs a command and prints its error in readable form. */
const shown =
  (run: (broker: ServiceBroker, args: Arguments) => Promise<void>) =>
  async (broker: ServiceBroker, args: Arguments): Promise<void> => {
    try {
      await run(broker, args);
    } catch (error) {
      const { type, message, data } = error as { type?: string; message: string; data?: unknown };
      print("red", `>> ERROR: ${type ? `${type}: ` : ""}${message}`);
      for (const line of linesOf(data)) print("red", `   ${line}`);
    }
  };

/** The commands that this REPL has besides Moleculer's. */
export const commands = [
  {
    command: "can <who> <target> [path]",
    description:
      "May a service, role or user call an action or route, or subscribe? can alice POST /api/posts",
    action: shown(can),
  },
  {
    command: "login <user>",
    description: "Sign in as a user, for 'as'.",
    action: shown(async (broker, args) => {
      const user = String(args.user);
      await signIn(broker, user);
      print("green", `Signed in as ${user}. Now: as ${user} users.profile`);
    }),
  },
  {
    command: "as <user> <action>",
    description:
      "Call an action as a user, the way the gateway does: as alice posts.create --title Hi --body There",
    allowUnknownOptions: true,
    action: shown(callAs),
  },
  {
    command: "jobs [operation] [service] [id] [queue]",
    description:
      "Show the queues of the services of this process. jobs failed [service]; jobs retry <service> <id>; jobs discard <service> <id>",
    action: shown(jobs),
  },
];
