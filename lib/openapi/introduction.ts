/** The introduction of the OpenAPI document, in Markdown: rules that hold for all operations. */
export const INTRODUCTION = `
## Signing in

\`POST /api/auth/register\` creates an account; \`POST /api/auth/login\` signs in. Both respond with an \`access_token\`:
send it as \`Authorization: Bearer …\`. It expires after \`expires_in\` seconds. \`POST /api/auth/refresh\` exchanges the
\`refresh_token\`, which can be used once, for new tokens. A service account gets its access token from
\`POST /api/auth/token\`, the token endpoint of OAuth 2.0.

## Errors

All errors have the same fields. \`type\` identifies the error for programs; \`message\` tells a person what to do. Each
operation lists its errors. A malformed request is refused before it reaches an operation: 400 \`BadRequest\`, 404
\`NotFound\`, 405 \`MethodNotAllowed\`, 408 \`RequestTooSlow\`, 414 \`UriTooLong\`, 431 \`HeadersTooLarge\`.

## Lists

A list is \`{"items": […], "nextCursor": …}\`. If \`nextCursor\` is not \`null\`, there is another page: send the same
request with its value as \`cursor\`. \`limit\` sets the size of a page. The messages of a chat room are read by their
sequence numbers: send \`nextCursor\` as \`after\`. An operation takes the parameters that it lists, and no others.

## Repeated requests and concurrent changes

A request with an \`Idempotency-Key\` can be repeated: it takes effect once. A response with an \`ETag\` can be revalidated
with \`If-None-Match\`, if the operation takes it. With \`If-Match\`, a change is made only if nothing else has changed
the resource since it was read.

## Rate limits

\`RateLimit-Limit\`, \`RateLimit-Remaining\`, \`RateLimit-Reset\` and \`RateLimit-Policy\` show how many more requests are
allowed. After a 429, wait for the number of seconds in \`Retry-After\`.
`.trim();
