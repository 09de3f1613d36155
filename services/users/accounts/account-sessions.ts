import type { Caller } from "../../../lib/contract/calls.ts";

/**
 * Ends sessions of an account before a change and again after it: nothing is changed while `auth` is unreachable, and
 * a session that begins during the change ends, too.
 */
export async function changeAndEndSessions<T>(
  ctx: Caller,
  which: { userId: string; except?: string },
  change: () => Promise<T>,
): Promise<T> {
  await ctx.call("auth.endSessions", which);
  const result = await change();
  await ctx.call("auth.endSessions", which);
  return result;
}

/**
 * Expires an account's access tokens after a change of what they claim; its sessions go on. Nothing is changed while
 * `auth` is unreachable. If `auth` becomes unreachable during the change, the same request can be sent again.
 */
export async function changeAndExpireTokens<T>(
  ctx: Caller,
  userId: string,
  change: () => Promise<T>,
): Promise<T> {
  await ctx.call("auth.ready");
  const result = await change();
  await ctx.call("auth.renewSessions", { userIds: [userId] });
  return result;
}
