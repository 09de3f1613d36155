import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  type GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { contract } from "../api.contract.ts";
import { refusal } from "./errors.ts";

const { graphqlAliases, graphqlDepth, graphqlFields, graphqlRootFields } = contract.limits;

/** The items that a list counts for, if no argument `limit` says how many it has. */
const USUAL_LENGTH = 20;
/** The items of a list whose `limit` is a variable: what pages have at most. */
const MAX_LENGTH = 100;

/** The size of a selection, with its fragments in place. */
interface Size {
  /** Levels of fields. */
  depth: number;
  /** Fields on the first level. */
  roots: number;
  aliases: number;
  /** Fields of the response, if its lists are full. */
  fields: number;
}

const LIMITS = [
  ["depth", graphqlDepth, "levels of fields"],
  ["roots", graphqlRootFields, "fields of Query or Mutation"],
  ["aliases", graphqlAliases, "aliases"],
  ["fields", graphqlFields, "fields in the response, if its lists are full. Ask for shorter lists"],
] as const;

/**
 * Checks the operations of a document, which need not be valid, before rules that take more time for large ones.
 *
 * @returns an error for each limit that an operation exceeds
 */
export function documentRefusals(schema: GraphQLSchema, document: DocumentNode): GraphQLError[] {
  const sizes = new DocumentSizes(schema, document);
  return document.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return [];
    const size = sizes.of(definition);
    return LIMITS.flatMap(([name, { max }, what]) =>
      size[name] > max
        ? [refusal("PayloadTooLarge", `The operation has more than ${max} ${what}.`, definition)]
        : [],
    );
  });
}

/** Where a selection is: the type that it selects from, and how many items the lists in it have. */
interface Place {
  type: GraphQLNamedType | undefined;
  length: number | undefined;
}

const EMPTY: Size = { depth: 0, roots: 0, aliases: 0, fields: 0 };

class DocumentSizes {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** The sizes of fragments: each is computed once, however often it is spread. */
  readonly #known = new Map<string, Size>();

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode) {
    this.#schema = schema;
    this.#fragments = new Map(
      definitions.flatMap((one) =>
        one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one] as const] : [],
      ),
    );
  }

  of({ operation, selectionSet }: OperationDefinitionNode): Size {
    const type = this.#schema.getRootType(operation) ?? undefined;
    return this.#sizeOf(selectionSet, { type, length: undefined });
  }

  #sizeOf({ selections }: SelectionSetNode, place: Place): Size {
    const total = { ...EMPTY };
    for (const selection of selections) {
      const size =
        selection.kind === Kind.FIELD
          ? this.#sizeOfField(selection, place)
          : selection.kind === Kind.FRAGMENT_SPREAD
            ? this.#sizeOfFragment(selection.name.value, place)
            : this.#sizeOf(selection.selectionSet, place);
      total.depth = Math.max(total.depth, size.depth);
      total.roots += size.roots;
      total.aliases += size.aliases;
      total.fields += size.fields;
    }
    return total;
  }

  #sizeOfFragment(name: string, place: Place): Size {
    const fragment = this.#fragments.get(name);
    if (!fragment) return EMPTY;
    const key = `${name} ${place.length}`;
    const known = this.#known.get(key);
    if (known) return known;
    // what a circular fragment finds; GraphQL's own rules refuse it
    this.#known.set(key, EMPTY);
    const type = this.#schema.getType(fragment.typeCondition.name.value);
    const size = this.#sizeOf(fragment.selectionSet, { ...place, type });
    this.#known.set(key, size);
    return size;
  }

  #sizeOfField(node: FieldNode, { type, length }: Place): Size {
    const aliases = node.alias ? 1 : 0;
    const { name, selectionSet } = node;
    // introspection has a size of its own, which the schema bounds
    if (!selectionSet || name.value.startsWith("__"))
      return { depth: 1, roots: 1, aliases, fields: 1 };
    const field = isObjectType(type) ? type.getFields()[name.value] : undefined;
    const inner = this.#sizeOf(selectionSet, {
      type: field && getNamedType(field.type),
      length: field && lengthOf(node, field),
    });
    const isList = field !== undefined && isListType(getNullableType(field.type));
    const items = isList ? (length ?? USUAL_LENGTH) : 1;
    return {
      depth: 1 + inner.depth,
      roots: 1,
      aliases: aliases + inner.aliases,
      fields: 1 + items * inner.fields,
    };
  }
}

/** The value of the argument `limit`; undefined if the field has none. */
function lengthOf(
  { arguments: given = [] }: FieldNode,
  { args }: GraphQLField<unknown, unknown>,
): number | undefined {
  const limit = args.find(({ name }) => name === "limit");
  if (!limit) return undefined;
  const value = given.find(({ name }) => name.value === "limit")?.value ?? limit.default?.literal;
  return value?.kind === Kind.INT ? Math.max(1, Number(value.value)) : MAX_LENGTH;
}
