/** A route in moleculer-web's form. */
export interface RouteAlias {
  readonly method: string;
  readonly fullPath: string;
  isMethod(method: string): boolean;
  /** The action's full name; null if a handler of the gateway itself responds. */
  readonly action: string | null;
  /** The parameters in the path; false if the path does not match. */
  match(path: string): Record<string, string> | false;
}

/** The value of `Allow` for a path; undefined if no route has this path. */
export function allowedMethods(aliases: readonly RouteAlias[], path: string): string | undefined {
  const methods = aliases.filter((alias) => alias.match(path)).map(({ method }) => method);
  if (methods.length === 0) return undefined;
  const head = methods.includes("GET") ? ["HEAD"] : [];
  return [...new Set([...methods, ...head, "OPTIONS"])].join(", ");
}
