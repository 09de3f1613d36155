import { createHash } from "node:crypto";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { asset } from "./assets.ts";

// `GET /`: the home page, with links to the documentation. It has no scripts and loads nothing from other origins.

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
body { max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; }
h1 { margin: 0; font-size: 2.25rem; line-height: 1.2; }
ul { padding: 0; list-style: none; }
nav li { margin: .75rem 0; padding: 1rem 1.25rem; border: 1px solid #8886; border-radius: .75rem; }
nav a { font-weight: 600; font-size: 1.125rem; }
section li { display: flex; justify-content: space-between; padding: .4rem 0; border-bottom: 1px solid #8884; }
`;

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The list of services, with the number of their operations. */
function serviceLines(): string {
  const byService = Map.groupBy(
    routesOf(loadContracts()),
    ({ action }) => action.split(".", 1)[0] ?? "",
  );
  return [...byService]
    .map(
      ([name, routes]) =>
        `<li><code>${name}</code> ${routes.length} ${routes.length === 1 ? "operation" : "operations"}</li>`,
    )
    .join("\n        ");
}

/** The handler for the home page. */
export function homeHandlers() {
  const body = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Citadel</title>
    <link rel="icon" href="data:," />
    <style>${STYLE}</style>
  </head>
  <body>
    <main>
      <h1>Citadel</h1>
      <p>An API over HTTP and Socket.IO.</p>
      <nav aria-label="Documentation">
        <ul>
        <li><a href="/docs">API reference</a><br />All operations. You can send requests from the page.</li>
        <li><a href="/openapi.json">OpenAPI document</a><br />All operations in machine-readable form.</li>
        <li><a href="/asyncapi.json">AsyncAPI document</a><br />All socket events in machine-readable form.</li>
        <li><a href="/health/ready">Readiness</a><br />Whether this node accepts requests.</li>
        </ul>
      </nav>
      <section aria-labelledby="services">
        <h2 id="services">Services</h2>
        <ul>
        ${serviceLines()}
        </ul>
      </section>
    </main>
  </body>
</html>
`;
  return {
    "GET /": asset({
      type: "text/html; charset=utf-8",
      body,
      headers: { "Content-Security-Policy": POLICY },
    }),
  };
}
