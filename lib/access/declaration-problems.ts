import type { ServiceContract } from "../contract/contract.ts";
import type { MetricContract } from "../contract/declarations/metric.ts";
import { secretsOf } from "../contract/declarations/declared-secrets.ts";
import type { SecretContract } from "../contract/declarations/secret.ts";
import { type Check, each, isObject, type KeysOf, unknownKeys } from "./checks.ts";

const SECRET: KeysOf<keyof SecretContract> = {
  description: true,
  type: true,
  variable: true,
  optional: true,
};

const SECRET_TYPES: KeysOf<SecretContract["type"]> = {
  key: true,
  password: true,
  "private-key": true,
};

const METRIC: KeysOf<keyof MetricContract> = { type: true, description: true, labels: true };

/** The name of a secret is also a file name and a part of an environment variable. */
const SECRET_NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const VARIABLE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;
/** Files in a service's folder of secrets that no contract declares. */
const RESERVED_SECRETS = new Set(["auth_token", "nats_url", "database_url"]);

const AUDIT_EVENT = /^(?=.{3,64}$)[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const METRIC_NAME = /^[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)+$/;
const LABEL_NAME = /^[a-z]\w*$/;

const checkSecret =
  (name: string): Check =>
  (what, value) => {
    const unknown = unknownKeys(SECRET)(what, value);
    if (!isObject(value)) return unknown;
    const { type, variable } = value;
    return [
      ...unknown,
      ...(SECRET_NAME.test(name)
        ? []
        : [`${what} must be named with lower-case letters, digits and '_'`]),
      ...(RESERVED_SECRETS.has(name) ? [`${what} has a reserved name`] : []),
      ...(typeof type === "string" && Object.hasOwn(SECRET_TYPES, type)
        ? []
        : [`${what} must have one of the types ${Object.keys(SECRET_TYPES).join(", ")}`]),
      ...(variable === undefined || (typeof variable === "string" && VARIABLE.test(variable))
        ? []
        : [`${what} must name a variable such as "ADMIN_PASSWORD"`]),
    ];
  };

const checkAuditEvent =
  (event: string): Check =>
  (what, value) => [
    ...(AUDIT_EVENT.test(event) ? [] : [`${what} must have a name such as "note.locked"`]),
    ...(typeof value === "string" && value !== "" ? [] : [`${what} must have a description`]),
  ];

const checkMetric =
  (service: string, name: string): Check =>
  (what, value) => {
    const unknown = unknownKeys(METRIC)(what, value);
    if (!isObject(value)) return unknown;
    return [
      ...unknown,
      ...(METRIC_NAME.test(name) && name.startsWith(`${service}.`)
        ? []
        : [`${what} must have a name such as "${service}.created.total"`]),
      ...(value.type === "counter" ? [] : [`${what} must have the type "counter"`]),
      ...each(value.labels, (label) => `${what}, label '${label}',`, checkLabel),
      ...Object.keys(isObject(value.labels) ? value.labels : {})
        .filter((label) => !LABEL_NAME.test(label))
        .map((label) => `${what} has the label '${label}', which Prometheus does not accept`),
    ];
  };

const checkLabel: Check = (what, value) =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string")
    ? []
    : [`${what} must list its values`];

/** The names of all parameters and result fields, at any depth. */
function fieldNames(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldNames);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, one]) => [name, ...fieldNames(one)]);
}

/** Refuses unknown names: with a misspelt name the field would be in the logs. */
function redactionProblems({ name, redacted, actions, emits, jobs }: ServiceContract): string[] {
  if (redacted === undefined) return [];
  if (!Array.isArray(redacted)) return [`'redacted' of '${name}' must be a list`];
  const schemas = [actions, emits, jobs].flatMap((part) => Object.values(part ?? {}));
  const known = new Set(
    schemas.flatMap((one) => [
      ...fieldNames(one.params),
      ...("result" in one ? fieldNames(one.result) : []),
    ]),
  );
  return redacted
    .filter((field) => !known.has(field as string))
    .map((field) => `'${name}' redacts '${field}', but has no such parameter or result field`);
}

/** The problems of a contract's secrets, audit events, metrics and redacted fields. */
export function declarationProblems(contract: ServiceContract): string[] {
  const { name, secrets, audit, metrics } = contract;
  const named = (part: unknown, kind: string, check: (key: string) => Check): string[] => {
    if (part === undefined) return [];
    if (!isObject(part)) return [`${kind} of '${name}' must be an object`];
    return Object.entries(part).flatMap(([key, value]) =>
      check(key)(`${kind.replace(/s$/, "")} '${key}' of '${name}'`, value),
    );
  };
  return [
    ...named(secrets, "secrets", checkSecret),
    ...named(audit, "audit events", checkAuditEvent),
    ...named(metrics, "metrics", (metric) => checkMetric(name, metric)),
    ...redactionProblems(contract),
  ];
}

/** Secrets that have the same environment variable. */
export function sharedVariables(contracts: Iterable<ServiceContract>): string[] {
  const owners = Map.groupBy(secretsOf(contracts), ({ variable }) => variable);
  return [...owners]
    .filter(([, secrets]) => secrets.length > 1)
    .map(
      ([variable, secrets]) =>
        `${secrets.map(({ service, name }) => `'${name}' of '${service}'`).join(" and ")} have the same environment variable ${variable}`,
    );
}
