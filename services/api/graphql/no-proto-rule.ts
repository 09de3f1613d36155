import type { ASTVisitor, ValidationContext } from "graphql";
import { refusal } from "./errors.ts";

/**
 * Refuses the key `__proto__` in objects of a document: `Object.assign` would set the prototype. In the JSON of a request,
 * such as variables, http/request-body.ts refuses it.
 */
export const NoProtoRule = (context: ValidationContext): ASTVisitor => ({
  ObjectField(node) {
    if (node.name.value === "__proto__")
      context.reportError(refusal("BadRequest", "The key __proto__ is not allowed.", node));
  },
});
