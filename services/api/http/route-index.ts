import { CitadelError } from "../../../lib/errors/errors.ts";
import { allowedMethods, type RouteAlias } from "./route-alias.ts";

/** A route, and the parameters in the path. */
export interface FoundRoute {
  readonly alias: RouteAlias;
  readonly params: Record<string, string>;
}

/** The segments of a path that its key contains: `/api` and the name of the resource. */
const INDEXED = 2;

/**
 * The routes by method, number of segments and first segments, so that the time to find one does not grow with the number
 * of services.
 */
export class RouteIndex {
  #aliases: readonly RouteAlias[] = [];
  #byKey: ReadonlyMap<string, readonly RouteAlias[]> = new Map();
  /** Routes with parameters in their first segments. */
  #others: readonly RouteAlias[] = [];

  /**
   * Finds the route of a request. HEAD runs the route of GET.
   *
   * @param aliases moleculer-web's list, which it replaces when routes are added
   * @throws CitadelError MethodNotAllowed
   */
  find(
    aliases: readonly RouteAlias[],
    path: string,
    method: string | undefined = "GET",
  ): FoundRoute | undefined {
    if (aliases !== this.#aliases) this.#index(aliases);
    const wanted = method === "HEAD" ? "GET" : method;
    const found =
      firstMatch(this.#byKey.get(keyOf(wanted, path)), path, wanted) ??
      firstMatch(this.#others, path, wanted);
    if (found) return found;
    const allowed = allowedMethods(aliases, path);
    if (allowed) throw new CitadelError("MethodNotAllowed", { data: { allowed } });
    return undefined;
  }

  #index(aliases: readonly RouteAlias[]): void {
    const byKey = new Map<string, RouteAlias[]>();
    const others: RouteAlias[] = [];
    for (const alias of aliases) {
      const key = keyOf(alias.method, alias.fullPath);
      if (/[:*{(]/.test(key) || alias.method === "*") others.push(alias);
      else byKey.set(key, [...(byKey.get(key) ?? []), alias]);
    }
    this.#aliases = aliases;
    this.#byKey = byKey;
    this.#others = others;
  }
}

/** `"GET 3 /api/posts"` for `/api/posts/:id`. */
function keyOf(method: string, path: string): string {
  let segments = 0;
  let end = path.length;
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1))
    if (segments++ === INDEXED) end = at;
  return `${method} ${segments} ${path.slice(0, end)}`;
}

function firstMatch(
  aliases: readonly RouteAlias[] | undefined,
  path: string,
  method: string,
): FoundRoute | undefined {
  for (const alias of aliases ?? []) {
    const params = alias.isMethod(method) && alias.match(path);
    if (params) return { alias, params };
  }
  return undefined;
}
