/** A namespace is part of NATS subjects, where dots, spaces, `*` and `>` have a meaning, and of nats.conf. */
const NAMESPACE = /^[\w-]{1,64}$/;

/** Moleculer's namespace, which all NATS subjects contain. Deployments that share a NATS server need different ones. */
export function readNamespace(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): string {
  const namespace = env.NAMESPACE || "citadel";
  if (!NAMESPACE.test(namespace))
    problems.push("NAMESPACE must consist of 1 to 64 letters, digits, '-' and '_'");
  return namespace;
}
