import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { json } from "node:stream/consumers";
import type { App } from "./app.ts";

export interface HttpResponse {
  status: number;
  headers: Headers;
  body: any;
}

export interface RequestOptions {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Sends a request to the application: `request(app, "POST /api/posts", { token, body })`. */
export async function request(
  app: Pick<App, "url">,
  route: string,
  { token, body, headers = {} }: RequestOptions = {},
): Promise<HttpResponse> {
  const [method = "GET", path = "/"] = route.split(" ");
  const response = await fetch(app.url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text ? JSON.parse(text) : text,
  };
}

/** Sends a request with a JSON body from another loopback address, such as 127.0.0.2. */
export async function requestFrom(
  app: Pick<App, "url">,
  localAddress: string,
  route: string,
  body: unknown,
): Promise<HttpResponse> {
  const [method = "POST", path = "/"] = route.split(" ");
  const headers = { "content-type": "application/json" };
  const outgoing = httpRequest(app.url + path, { method, localAddress, headers });
  outgoing.end(JSON.stringify(body));
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  return {
    status: incoming.statusCode ?? 0,
    headers: new Headers(incoming.headers as Record<string, string>),
    body: await json(incoming),
  };
}

export interface Person {
  id: string;
  username: string;
  password: string;
  token: string;
  refreshToken: string;
}

export const PASSWORD = "correct horse battery";

/** Registers a user. */
export async function register(app: App, prefix = "user"): Promise<Person> {
  const username = `${prefix}-${randomBytes(5).toString("hex")}`;
  const { status, body } = await request(app, "POST /api/auth/register", {
    body: { username, email: `${username}@example.com`, password: PASSWORD },
  });
  if (status !== 201) throw new Error(`Registering failed: ${JSON.stringify(body)}`);
  return toPerson(body, PASSWORD);
}

export async function login(
  app: App,
  username: string,
  password: string,
  otp?: string,
): Promise<Person> {
  const { status, body } = await request(app, "POST /api/auth/login", {
    body: { username, password, otp },
  });
  if (status !== 200) throw new Error(`Signing in failed: ${JSON.stringify(body)}`);
  return toPerson(body, password);
}

/** Signs the first administrator in. */
export const administrator = (app: App) => login(app, "admin", "the first administrator");

const toPerson = (body: any, password: string): Person => ({
  id: body.user.id,
  username: body.user.username,
  password,
  token: body.access_token,
  refreshToken: body.refresh_token,
});
