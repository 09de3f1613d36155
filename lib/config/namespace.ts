/** It becomes part of NATS subjects, in which dots, spaces, `*` and `>` have a meaning, and of NATS's configuration. */
const NAMESPACE = /^[\w-]{1,64}$/;

/** The namespace of Moleculer, and so of all subjects on NATS: one for each deployment that shares a NATS server. */
export function readNamespace(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): string {
  const namespace = env.NAMESPACE || "citadel";
  if (!NAMESPACE.test(namespace))
    problems.push("NAMESPACE must consist of 1 to 64 letters, digits, '-' and '_'");
  return namespace;
}
