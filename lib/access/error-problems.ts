import type { ServiceContract } from "../contract/contract.ts";
import { declaredError, ERROR_TYPES, isErrorType } from "../errors/errors.ts";

/** An error type is part of the API, and of the error's name. */
const TYPE = /^[A-Z][A-Za-z0-9]{2,63}$/;

/** The problems of the error types that a contract declares, and of those that its actions list. */
export function errorProblems({ name, errors = {}, actions }: ServiceContract): string[] {
  const known = new Set<string>([...ERROR_TYPES, ...Object.keys(errors)]);
  return [
    ...Object.entries(errors).flatMap(([type, { code, message }]) => {
      const what = `the error '${type}' of '${name}'`;
      return [
        ...(TYPE.test(type) ? [] : [`${what} must have a name such as "NoteLocked"`]),
        ...((ERROR_TYPES as readonly string[]).includes(type)
          ? [`${what} has the name of an error type of the application`]
          : []),
        ...(Number.isInteger(code) && code >= 400 && code <= 599
          ? []
          : [`${what} must have an HTTP status from 400 to 599 as its code`]),
        ...(typeof message === "string" && message !== ""
          ? []
          : [`${what} must have a message that says what to do`]),
      ];
    }),
    ...Object.entries(actions).flatMap(([action, { unavailable }]) =>
      unavailable === undefined ||
      (isErrorType(unavailable) && declaredError(unavailable).code === 503)
        ? []
        : [`${name}.${action} must declare an error type with the code 503 as 'unavailable'`],
    ),
    ...Object.entries(actions).flatMap(([action, { errors: listed = [] }]) =>
      listed
        .filter((type) => !known.has(type))
        .map((type) => `${name}.${action} lists the error '${type}', which is not declared`),
    ),
  ];
}

/** Error types that several services declare: a client could not tell them apart. */
export function sharedErrorTypes(contracts: readonly ServiceContract[]): string[] {
  const declared = contracts.flatMap(({ name, errors = {} }) =>
    Object.keys(errors).map((type) => ({ type, name })),
  );
  return [...Map.groupBy(declared, ({ type }) => type)]
    .filter(([, services]) => services.length > 1)
    .map(
      ([type, services]) =>
        `the error '${type}' is declared by ${services.map(({ name }) => name).join(" and ")}`,
    );
}
