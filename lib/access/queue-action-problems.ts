import { isDeepStrictEqual } from "node:util";
import type { ActionContract } from "../contract/declarations/action.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { hasQueue, queueActions } from "../contract/queue-actions.ts";
import { strictParams } from "../contract/schemas/strict.ts";

const isSame = (action: ActionContract, other: ActionContract): boolean =>
  isDeepStrictEqual(
    { ...action, params: strictParams(action.params) },
    { ...other, params: strictParams(other.params) },
  );

/**
 * The problems of the actions for a service's queue. `implement` adds handlers by their names, so an action with such a
 * name and other access would show failed jobs to its users.
 */
export function queueActionProblems(contract: ServiceContract): string[] {
  const { name, actions } = contract;
  const own = Object.entries<ActionContract>(queueActions(name));
  const helper = `...queueActions("${name}")`;
  if (!hasQueue(contract))
    return own
      .filter(([action]) => Object.hasOwn(actions, action))
      .map(([action]) => `${name}.${action} is for a service with jobs or durable events`);
  if (!own.some(([action]) => Object.hasOwn(actions, action)))
    return [`'${name}' has jobs or durable events: add ${helper} to its actions`];
  return own.flatMap(([action, declared]) => {
    const given = actions[action];
    return given && isSame(given, declared)
      ? []
      : [`${name}.${action} must be that of ${helper}, unchanged`];
  });
}
