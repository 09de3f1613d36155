import { createHash } from "node:crypto";
import { asset } from "../docs/assets.ts";

// `GET /graphql`: GraphiQL, a page to read the schema and to run operations. Development only.

/** Makes the handler of the page. It loads nothing from other origins. */
export async function makePageHandler() {
  const { renderGraphiQL } = await import("@graphql-yoga/render-graphiql");
  const body = renderGraphiQL({
    title: "Citadel GraphQL",
    endpoint: "/graphql",
    defaultQuery:
      "{\n  postsList(limit: 10) {\n    items {\n      id\n      title\n    }\n  }\n}\n",
  });
  const policy = [
    "default-src 'none'",
    `script-src ${hashesOf(body).join(" ")} blob:`,
    // the editor adds style elements
    "style-src 'unsafe-inline'",
    "worker-src blob:",
    "connect-src 'self'",
    "img-src 'self' data:",
    "font-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return asset({
    type: "text/html; charset=utf-8",
    body,
    headers: { "Content-Security-Policy": policy },
  });
}

/** The hashes of the scripts in a page. */
const hashesOf = (page: string): string[] =>
  [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(
    ([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`,
  );
