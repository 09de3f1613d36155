/** Something that a service says to every node, with what proves that it did. */
export interface Statement<T> {
  readonly content: T;
  /** A call token of the service. */
  readonly token: string;
  /** The signature over the content, by the key that the token is bound to. */
  readonly proof: string;
}

/** The rule of such a statement, for the contract of whoever makes it. */
export const statementOf = <const Content>(content: Content) =>
  ({ type: "object", props: { content, token: "string", proof: "string" } }) as const;
