import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { asset, FOREVER, fingerprint } from "./assets.ts";

// The API's page: Scalar's, from our own origin, which asks nobody else for anything.

const require = createRequire(import.meta.url);

// It has everything that its package depends on in it, so package.json installs none of that.
const SCALAR = join(dirname(require.resolve("@scalar/api-reference")), "browser", "standalone.js");

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // Scalar writes its styles into the page
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "font-src 'self' data:",
  "img-src 'self' data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A script of the page. Its address has its fingerprint in it, so that it can be kept for good. */
function script(name: string, file: string) {
  const body = readFileSync(file);
  const path = `/docs/${name}`;
  return {
    tag: `<script src="${path}?${fingerprint(body).slice(0, 16)}"></script>`,
    handlers: {
      [`GET ${path}`]: asset({ type: "text/javascript; charset=utf-8", body, caching: FOREVER }),
    },
  };
}

/** The page and its scripts. */
export function docsHandlers() {
  const scalar = script("scalar.js", SCALAR);
  const start = script("start.js", join(import.meta.dirname, "start.js"));
  const body = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Citadel API</title>
    <link rel="icon" href="data:," />
  </head>
  <body>
    <noscript>This page needs JavaScript. The description of the API: <a href="/openapi.json">/openapi.json</a></noscript>
    <div id="reference"></div>
    ${start.tag}
    ${scalar.tag}
  </body>
</html>
`;
  return {
    "GET /docs": asset({
      type: "text/html; charset=utf-8",
      body,
      headers: { "Content-Security-Policy": POLICY },
    }),
    ...scalar.handlers,
    ...start.handlers,
  };
}
