import type { Access } from "../contract/declarations/access.ts";
import type { ActionContract } from "../contract/declarations/action.ts";
import type { EmitContract } from "../contract/declarations/event.ts";
import type { SubscriptionContract } from "../contract/declarations/subscription.ts";
import type { JobContract, RetryContract } from "../contract/declarations/job.ts";
import type { ServiceContract } from "../contract/contract.ts";
import type { RuleKeys, RuleType } from "../contract/schemas/infer.ts";
import type { ErrorContract } from "../errors/errors.ts";
import type { LimitContract } from "../limits/limit.ts";
import { checkAuth, checkPermissions, checkRoles } from "./access-checks.ts";
import { errorProblems, sharedErrorTypes } from "./error-problems.ts";
import type {
  ClientEventContract,
  RoomsContract,
  ServerEventContract,
} from "../contract/declarations/socket.ts";
import { limitProblems } from "./limit-problems.ts";
import { permissionProblems, sharedTitles } from "./permission-problems.ts";
import { queueActionProblems } from "./queue-action-problems.ts";
import { inFull } from "../contract/schemas/validator.ts";
import { type Check, each, isObject, type KeysOf, unknownKeys } from "./checks.ts";
import { declarationProblems, sharedVariables } from "./declaration-problems.ts";

const ACCESS: KeysOf<keyof Access> = {
  restricted: true,
  auth: true,
  permissions: true,
  roles: true,
  subjects: true,
};

const ACTION: KeysOf<keyof ActionContract> = {
  ...ACCESS,
  description: true,
  operator: true,
  params: true,
  result: true,
  rest: true,
  form: true,
  oauth: true,
  closed: true,
  socket: true,
  status: true,
  etag: true,
  safe: true,
  timeout: true,
  idempotent: true,
  location: true,
  limit: true,
  unavailable: true,
  errors: true,
};

const EMIT: KeysOf<keyof EmitContract> = {
  description: true,
  params: true,
  socket: true,
  subscribe: true,
  durable: true,
  broadcast: true,
  orderBy: true,
};

const JOB: KeysOf<keyof JobContract> = {
  description: true,
  params: true,
  retry: true,
  concurrency: true,
  timeout: true,
  schedule: true,
};

const RETRY: KeysOf<keyof RetryContract> = { limit: true, delay: true, maxDelay: true };

const SERVER_EVENT: KeysOf<keyof ServerEventContract> = {
  event: true,
  to: true,
  join: true,
  leave: true,
};

const { restricted: _restricted, ...ACCESS_OF_USERS } = ACCESS;

const SUBSCRIPTION: KeysOf<keyof SubscriptionContract> = {
  ...ACCESS_OF_USERS,
  params: true,
  visible: true,
};

const CLIENT_EVENT: KeysOf<keyof ClientEventContract> = {
  event: true,
  names: true,
  defaults: true,
  join: true,
  leave: true,
};

const ROOMS: KeysOf<keyof RoomsContract> = {
  everyone: true,
  mayJoin: true,
  watch: true,
  presence: true,
};

const ERROR: KeysOf<keyof ErrorContract> = { code: true, message: true };

const LIMIT: KeysOf<keyof LimitContract> = {
  counts: true,
  per: true,
  max: true,
  seconds: true,
  exceeded: true,
  setting: true,
};

const CONTRACT: KeysOf<keyof ServiceContract> = {
  name: true,
  permissions: true,
  errors: true,
  limits: true,
  actions: true,
  emits: true,
  events: true,
  jobs: true,
  audit: true,
  secrets: true,
  redacted: true,
  metrics: true,
  rooms: true,
};

const MODIFIERS = {
  type: true,
  optional: true,
  nullable: true,
  default: true,
  messages: true,
} as const;

const RULES: { readonly [T in RuleType]: KeysOf<RuleKeys<T>> } = {
  string: {
    ...MODIFIERS,
    min: true,
    max: true,
    length: true,
    empty: true,
    trim: true,
    lowercase: true,
    pattern: true,
    convert: true,
  },
  email: { ...MODIFIERS, min: true, max: true, empty: true, normalize: true, mode: true },
  uuid: { ...MODIFIERS, ref: true },
  url: { ...MODIFIERS, empty: true },
  number: {
    ...MODIFIERS,
    min: true,
    max: true,
    integer: true,
    positive: true,
    convert: true,
  },
  boolean: { ...MODIFIERS, convert: true },
  date: { ...MODIFIERS, convert: true },
  any: MODIFIERS,
  enum: { ...MODIFIERS, values: true },
  array: { ...MODIFIERS, items: true, min: true, max: true, unique: true, convert: true },
  object: { ...MODIFIERS, props: true, strict: true, name: true },
  record: { ...MODIFIERS, key: true, value: true },
};

/** The keys that an action may have. */
export const DECLARATION_KEYS: readonly string[] = Object.keys(ACTION);

const ROUTE = /^(GET|POST|PUT|PATCH|DELETE) \/\S*$/;

const checkRule: Check = (what, value) => {
  if (typeof value !== "string" && !isObject(value)) return [`${what} has no rule`];
  const rule = inFull(value as never) as unknown as Readonly<Record<string, unknown>>;
  const { type, items, props, key, value: ofRecord } = rule;
  if (typeof type !== "string" || !Object.hasOwn(RULES, type))
    return [`${what} has a rule of the unknown type '${String(type)}'`];
  return [
    ...unknownKeys(RULES[type as RuleType])(what, rule),
    ...(type === "array" ? checkRule(`${what}[]`, items) : []),
    ...(type === "object" ? checkSchema(what, props) : []),
    ...(type === "record" ? [...checkRule(what, key), ...checkRule(what, ofRecord)] : []),
  ];
};

const checkSchema: Check = (what, value) =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, rule]) => {
        if (key === "$$strict") return [];
        if (key.startsWith("$$")) return [`${what} has the unknown key '${key}'`];
        return checkRule(`${what}.${key}`, rule);
      })
    : [`${what} must be a schema`];

const checkHandler: Check = (what, value) => [
  ...unknownKeys(ACCESS)(what, value),
  ...checkAuth(what, value),
  ...checkPermissions(what, value),
  ...checkRoles(what, value),
];

const checkAction: Check = (what, value) => {
  const unknown = [
    ...unknownKeys(ACTION)(what, value),
    ...checkAuth(what, value),
    ...checkPermissions(what, value),
    ...checkRoles(what, value),
  ];
  if (!isObject(value)) return unknown;
  const { params, result, rest, socket } = value;
  return [
    ...unknown,
    ...checkSchema(`${what}.params`, params),
    ...(result === null ? [] : checkRule(`${what}.result`, result)),
    ...(rest === undefined || (typeof rest === "string" && ROUTE.test(rest))
      ? []
      : [`${what} has an invalid route: write it as "GET /api/…"`]),
    ...(socket === undefined || typeof socket === "string"
      ? []
      : unknownKeys(CLIENT_EVENT)(`${what}.socket`, socket)),
  ];
};

const checkEmit: Check = (what, value) => {
  const unknown = unknownKeys(EMIT)(what, value);
  if (!isObject(value)) return unknown;
  const { params, socket, subscribe } = value;
  return [
    ...unknown,
    ...checkSchema(`${what}.params`, params),
    ...(socket === undefined ? [] : unknownKeys(SERVER_EVENT)(`${what}.socket`, socket)),
    ...(subscribe === undefined ? [] : checkSubscription(`${what}.subscribe`, subscribe)),
  ];
};

const checkSubscription: Check = (what, value) => [
  ...unknownKeys(SUBSCRIPTION)(what, value),
  ...checkPermissions(what, value),
  ...checkRoles(what, value),
  ...(isObject(value) && value.params !== undefined
    ? checkSchema(`${what}.params`, value.params)
    : []),
];

const checkJob: Check = (what, value) => {
  const unknown = unknownKeys(JOB)(what, value);
  if (!isObject(value)) return unknown;
  const { params, retry } = value;
  return [
    ...unknown,
    ...checkSchema(`${what}.params`, params),
    ...(retry === undefined ? [] : unknownKeys(RETRY)(`${what}.retry`, retry)),
  ];
};

/** The unknown keys of a contract, at any depth, and its invalid declarations. A cast hides both from the compiler. */
function contractProblems(contract: ServiceContract): string[] {
  const { name, actions, emits, events, jobs, errors, limits, rooms } = contract;
  return [
    ...unknownKeys(CONTRACT)(`the contract '${name}'`, contract),
    ...each(actions, (action) => `${name}.${action}`, checkAction),
    ...each(emits, (event) => `event '${event}' of '${name}'`, checkEmit),
    ...each(events, (event) => `the handler of '${event}' in '${name}'`, checkHandler),
    ...each(jobs, (job) => `the job '${job}' of '${name}'`, checkJob),
    ...permissionProblems(contract),
    ...each(errors, (type) => `the error '${type}' of '${name}'`, unknownKeys(ERROR)),
    ...each(limits, (limit) => `the limit '${limit}' of '${name}'`, unknownKeys(LIMIT)),
    ...declarationProblems(contract),
    ...(rooms === undefined ? [] : unknownKeys(ROOMS)(`rooms of '${name}'`, rooms)),
  ];
}

/**
 * Refuses contracts with unknown keys, rules or permissions: with `permission` for `permissions` an action would be
 * open to every user.
 *
 * @throws Error that lists them
 */
export function mustBeKnown(contracts: Iterable<ServiceContract>): void {
  const all = [...contracts];
  const unknown = all.flatMap(contractProblems);
  // these checks rely on known keys
  const problems =
    unknown.length > 0
      ? unknown
      : [
          ...all.flatMap(errorProblems),
          ...all.flatMap(limitProblems),
          ...all.flatMap(queueActionProblems),
          ...sharedErrorTypes(all),
          ...sharedTitles(all),
          ...sharedVariables(all),
        ];
  if (problems.length > 0)
    throw new Error(
      `The contracts cannot be used:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        `An action may have: ${DECLARATION_KEYS.join(", ")}. See lib/contract/contract.ts and lib/contract/schemas/infer.ts for the rest.`,
    );
}
