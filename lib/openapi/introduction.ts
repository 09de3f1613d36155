/** What is true of all operations, in Markdown: what stands above them. */
export const INTRODUCTION = `
## Signing in

\`POST /api/auth/register\` makes an account, \`POST /api/auth/login\` signs in. Both answer an \`access_token\`:
send it as \`Authorization: Bearer …\`. It lives for \`expires_in\` seconds; \`POST /api/auth/refresh\` trades the
\`refresh_token\`, which is good for one use, for new ones. A program signs in with \`POST /api/auth/token\`, OAuth's
token endpoint.

## Errors

Every error has the same shape. \`type\` says to a program which it is, \`message\` to a person what to do. What an
operation may answer with stands beside it. What is no proper request gets to no operation: 400 \`BadRequest\`,
405 \`MethodNotAllowed\`, 408 \`RequestTooSlow\`, 414 \`UriTooLong\`, 431 \`HeadersTooLarge\`.

## Lists

Lists take \`limit\` and \`cursor\`. The next page is the same request with \`nextCursor\` as its \`cursor\`; at the end
it is \`null\`.

## Repeats and changes

What takes an \`Idempotency-Key\` can be sent again without being done twice. What has an \`ETag\` can be asked for
again with \`If-None-Match\`, and where \`If-Match\` is taken, changed only if nobody else has changed it meanwhile.

## Limits

Answers tell in \`RateLimit-Limit\`, \`RateLimit-Remaining\`, \`RateLimit-Reset\` and \`RateLimit-Policy\` how much
more is let through. After 429 wait for \`Retry-After\` seconds.
`.trim();
