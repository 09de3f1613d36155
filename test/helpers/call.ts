import type { App } from "./app.ts";

/** Calls an action as a service does; with an access token, on behalf of its user. */
export function callFrom(
  app: App,
  service: string,
  action: string,
  params: object = {},
  { token, ...options }: { token?: string; [option: string]: unknown } = {},
): Promise<any> {
  const instance = app.service(service);
  const ctx = new instance.broker.ContextFactory(instance.broker);
  ctx.service = instance;
  if (token !== undefined) ctx.locals = { accessToken: token };
  return ctx.call(action, params, options as object);
}
