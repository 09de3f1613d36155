import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { asset, fingerprint, IMMUTABLE } from "./assets.ts";

// `GET /docs`: Swagger UI, served from the API's own origin. It requests nothing from other origins.

const require = createRequire(import.meta.url);

const SWAGGER_UI = dirname(require.resolve("swagger-ui-dist"));

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  // icons in Swagger UI's style sheet
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A file of the page. Its URL contains a hash of its content, so that browsers can cache it without revalidation. */
function pageFile(file: string, directory = import.meta.dirname) {
  const body = readFileSync(join(directory, file));
  const path = `/docs/${file}`;
  return {
    url: `${path}?${fingerprint(body).slice(0, 16)}`,
    route: `GET ${path}`,
    handler: asset({ type: TYPES[extname(file)] ?? "", body, caching: IMMUTABLE }),
  };
}

/** Handlers for the API reference page and its files. */
export function referencePageHandlers() {
  const files = {
    swaggerScript: pageFile("swagger-ui-bundle.js", SWAGGER_UI),
    swaggerStyle: pageFile("swagger-ui.css", SWAGGER_UI),
    script: pageFile("reference.js"),
    style: pageFile("reference.css"),
  };
  const body = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Citadel API reference</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${files.swaggerStyle.url}" />
    <link rel="stylesheet" href="${files.style.url}" />
    <script src="${files.swaggerScript.url}" defer></script>
    <script src="${files.script.url}" defer></script>
  </head>
  <body>
    <noscript>This page needs JavaScript. The OpenAPI document: <a href="/openapi.json">/openapi.json</a></noscript>
    <main id="reference"></main>
  </body>
</html>
`;
  return {
    "GET /docs": asset({
      type: "text/html; charset=utf-8",
      body,
      headers: { "Content-Security-Policy": POLICY },
    }),
    ...Object.fromEntries(Object.values(files).map(({ route, handler }) => [route, handler])),
  };
}
