/** One problem that a validator found. */
export interface Finding {
  field?: string;
  type: string;
  message?: string;
}

/** A finding of fastest-validator. */
interface RawFinding extends Finding {
  /** The value in the contract's rule. */
  expected?: unknown;
  /** The submitted value. */
  actual?: unknown;
}

/** The most findings in one error: a submitted list may have 10,000 invalid values. */
const MAX_FINDINGS = 20;

/** The field names that an error may contain. Any other name may be a submitted value in the wrong place. */
const PLAIN_NAME = /^[A-Za-z][\w-]{0,31}$/;

/** Replacements of messages that would contain the submitted values. */
const REPLACED: Readonly<Record<string, string>> = {
  arrayEnum: "Some of these values are not accepted.",
  arrayUnique: "A value must not occur twice.",
};

/**
 * The findings of a validator without the submitted values, the action and the node, which Moleculer adds. Each
 * unknown field gets a finding of its own, with its name if that is a short plain identifier.
 */
export const toFindings = (raw: readonly RawFinding[]): Finding[] =>
  raw
    .slice(0, MAX_FINDINGS)
    .flatMap((finding) =>
      finding.type === "objectStrict" ? unknownFields(finding) : bare(finding),
    )
    .slice(0, MAX_FINDINGS);

function bare({ field, type, message, expected }: RawFinding): Finding {
  const shown = type === "enumValue" ? `Must be one of: ${String(expected)}.` : REPLACED[type];
  const text = shown ?? message;
  return {
    ...(field !== undefined && { field }),
    type,
    ...(text !== undefined && { message: text }),
  };
}

/** @param field the object that contains the unknown fields; left out: the parameters */
function unknownFields({ field, type, expected, actual }: RawFinding): Finding[] {
  const names = new Set(String(actual).split(", ", MAX_FINDINGS));
  const accepted = String(expected) || "none";
  const found: Finding[] = [...names]
    .filter((name) => PLAIN_NAME.test(name))
    .map((name) => ({
      field: field === undefined ? name : `${field}.${name}`,
      type,
      message: `This field is unknown. Accepted fields: ${accepted}.`,
    }));
  if (found.length > 0) return found;
  return [
    {
      ...(field !== undefined && { field }),
      type,
      message: `There is an unknown field. Accepted fields: ${accepted}.`,
    },
  ];
}
