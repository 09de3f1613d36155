/** The largest accepted response, in bytes. */
const MAX_SIZE = 100_000;

/** @throws Error if the body is larger than MAX_SIZE */
async function readBody({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_SIZE) throw new Error(`The response is larger than ${MAX_SIZE} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Fetches JSON from an issuer. Redirects are refused: one could lead to an internal address (SSRF).
 *
 * @returns undefined if there is no such document (404)
 * @throws Error for another status or type, more than 100 kB, or if the signal ends the request
 */
export async function fetchJson(uri: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(uri, {
    redirect: "error",
    signal,
    headers: { accept: "application/json" },
  });
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  if (status === 200 && /^application\/([\w.-]+\+)?json\b/i.test(type))
    return JSON.parse(await readBody(response));
  await response.body?.cancel();
  if (status === 404) return undefined;
  throw new Error(`The response of ${uri} has the status ${status} and type '${type}'.`);
}
