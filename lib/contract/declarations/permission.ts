/** A permission that a service declares: what it allows, and to whom it may be granted. */
export interface PermissionContract {
  /** A short name for people, such as `"Posts: Write"`. No two permissions have the same. */
  readonly title: string;
  /** What it allows, as a sentence. */
  readonly description: string;
  /** Only development grants it: in production no role and no service account has it. */
  readonly usedForDevelopment?: true;
  /** Only a ManagedServiceAccount may have it: no role contains it, `admin` included. */
  readonly usedByManagedServiceOnly?: true;
}

/** The permissions that an action or handler names. Any one of them suffices; none are needed if there are none. */
export const namedPermissions = (
  permissions: string | readonly string[] | null | undefined,
): readonly string[] => (typeof permissions === "string" ? [permissions] : (permissions ?? []));

/** Names the permissions of which one is needed, for display: `"users:roles or users:grant"`. */
export const describePermissions = (permissions: readonly string[]): string =>
  permissions.join(" or ");
