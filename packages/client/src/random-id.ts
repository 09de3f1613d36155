/** 128 random bits as text. Unlike crypto.randomUUID, browsers have it for pages without TLS as well. */
export const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
