/** Names in the schema. All of them follow from the contracts, so that they change only with what they name. */

/** What GraphQL accepts as a name; names that begin with `__` belong to introspection. */
export const isName = (text: string): boolean =>
  /^[A-Za-z_]\w*$/.test(text) && !text.startsWith("__");

/** `posts.userPosts` as `PostsUserPosts`. */
export const pascalCase = (text: string): string =>
  text
    .split(/[^A-Za-z0-9]+/)
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join("");

/** The field of an action: `posts.create` as `postsCreate`. */
export function fieldOf(action: string): string {
  const name = pascalCase(action);
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** The type of an action's result, unless the result has a `name`: `PostsCreateResult`. */
export const resultTypeOf = (action: string): string => `${pascalCase(action)}Result`;

/** The field beside a field with an id: `authorId` as `author`. */
export const referenceOf = (field: string): string => field.replace(/Id$/, "");
