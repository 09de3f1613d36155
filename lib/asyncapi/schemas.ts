import type { JsonSchema } from "../openapi/json-schema.ts";

/** An object with exactly these fields. */
export const object = (properties: Record<string, JsonSchema>): JsonSchema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** An error object of one of these types. */
export const errorOf = (types: readonly string[]): JsonSchema => ({
  allOf: [{ $ref: "#/components/schemas/Error" }],
  properties: { type: { enum: [...new Set(types)] } },
});

/** The acknowledgement with one object: `{ok, data}` or `{ok, error}`. */
export const ackOf = (result: JsonSchema, errors: readonly string[]): JsonSchema => ({
  oneOf: [
    object({ ok: { const: true }, data: result }),
    object({ ok: { const: false }, error: errorOf(errors) }),
  ],
});
