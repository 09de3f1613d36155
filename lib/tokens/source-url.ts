const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * Whether what this URL returns cannot be altered on the way: TLS, or loopback.
 *
 * @param allowsLoopback whether http to this machine is safe enough, as in development
 */
export function isSafeSource(url: unknown, allowsLoopback: boolean): url is string {
  if (typeof url !== "string" || !URL.canParse(url)) return false;
  const { protocol, hostname, username, password } = new URL(url);
  if (username !== "" || password !== "") return false;
  return (
    protocol === "https:" || (protocol === "http:" && allowsLoopback && LOOPBACK.test(hostname))
  );
}
