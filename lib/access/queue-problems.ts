import type { ServiceContract } from "../contract/contract.ts";
import type { EmitContract } from "../contract/declarations/event.ts";
import type { JobContract } from "../contract/declarations/job.ts";
import type { Rule, Schema } from "../contract/schemas/infer.ts";
import { inFull } from "../contract/schemas/validator.ts";
import { emittersOf } from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** A name is a part of a queue's name, which pg-boss restricts. */
const NAME = /^[A-Za-z][\w.-]*$/;

/** In milliseconds: pg-boss counts seconds. */
const LEAST = 1_000;
/** pg-boss's longest run. */
const LONGEST_TIMEOUT = 23 * 3_600_000;

/**
 * Checks the durable events and jobs of all contracts.
 *
 * @throws Error that lists the invalid ones
 */
export function mustBeQueueable(contracts: Contracts): void {
  const problems = [...contracts.values()].flatMap((contract) => [
    ...eventProblems(contract, contracts),
    ...handlerProblems(contract, contracts),
    ...jobProblems(contract),
  ]);
  if (problems.length > 0)
    throw new Error(
      `These durable events and jobs are invalid:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        "See docs/events.md.",
    );
}

/** The names of the required parameters. */
const requiredOf = (params: Schema): string[] =>
  Object.entries(params)
    // only the value of a key with $$ is no rule
    .filter(([name, rule]) => !name.startsWith("$$") && !inFull(rule as Rule).optional)
    .map(([name]) => name);

const when = (isWrong: boolean, problem: string): string[] => (isWrong ? [problem] : []);

function eventProblems({ name, emits = {} }: ServiceContract, contracts: Contracts): string[] {
  const emitters = emittersOf(contracts);
  return Object.entries(emits).flatMap(([event, emit]) => {
    const what = `event '${event}' of '${name}'`;
    if (!emit.durable)
      return [
        ...when(emit.broadcast !== undefined, `${what} has 'broadcast' and is not durable`),
        ...when(emit.orderBy !== undefined, `${what} has 'orderBy' and is not durable`),
      ];
    return [
      ...when(!NAME.test(event), `${what} needs a name of letters, digits, '.', '_' and '-'`),
      ...when(
        (emitters.get(event) ?? []).length > 1,
        `${what} is durable, and another service emits it, too`,
      ),
      ...when(
        emit.broadcast === true && emit.orderBy !== undefined,
        `${what} is broadcast, which has no order`,
      ),
      ...when(
        (emit.socket ?? emit.subscribe) !== undefined && emit.broadcast !== true,
        `${what} is for sockets: every gateway needs it, so it must have 'broadcast'`,
      ),
      ...orderProblems(what, emit),
    ];
  });
}

function orderProblems(what: string, { params, orderBy }: EmitContract): string[] {
  if (orderBy === undefined) return [];
  return when(
    !requiredOf(params).includes(orderBy),
    `${what} is ordered by '${orderBy}', which is not a required parameter`,
  );
}

/** A durable event carries no access token, so that its handler cannot ask for a user. */
function handlerProblems({ name, events = {} }: ServiceContract, contracts: Contracts): string[] {
  const durable = new Set(
    [...contracts.values()].flatMap(({ emits = {} }) =>
      Object.entries(emits).flatMap(([event, emit]) => (emit.durable ? [event] : [])),
    ),
  );
  return Object.entries(events).flatMap(([event, { auth }]) =>
    when(
      durable.has(event) && auth !== "none",
      `the handler of '${event}' in '${name}' must have auth: "none": a durable event carries no access token`,
    ),
  );
}

const jobProblems = ({ name, jobs = {} }: ServiceContract): string[] =>
  Object.entries(jobs).flatMap(([job, contract]) => {
    const what = `the job '${job}' of '${name}'`;
    const { params, schedule } = contract;
    return [
      ...when(!NAME.test(job), `${what} needs a name of letters, digits, '.', '_' and '-'`),
      ...when(
        schedule !== undefined && requiredOf(params).length > 0,
        `${what} is scheduled, so it can have no required parameters`,
      ),
      ...when(
        schedule !== undefined && !/^(\S+ ){4}\S+$/.test(schedule),
        `${what} needs a schedule of five fields, such as "0 3 * * *"`,
      ),
      ...numberProblems(what, contract),
    ];
  });

function numberProblems(
  what: string,
  { concurrency = 1, timeout = LEAST, retry = {} }: JobContract,
) {
  const { limit = 0, delay = LEAST, maxDelay = delay } = retry;
  return [
    ...when(
      !Number.isInteger(concurrency) || concurrency < 1,
      `${what} needs a concurrency of 1 or more`,
    ),
    ...when(
      !(timeout >= LEAST && timeout <= LONGEST_TIMEOUT),
      `${what} needs a timeout between ${LEAST} and ${LONGEST_TIMEOUT} ms`,
    ),
    ...when(!Number.isInteger(limit) || limit < 0, `${what} needs a retry limit of 0 or more`),
    ...when(
      !(delay >= LEAST && maxDelay >= delay),
      `${what} needs retry delays of ${LEAST} ms or more`,
    ),
  ];
}
