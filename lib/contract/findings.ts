/** What a validator found: where and what is wrong. */
export interface Finding {
  field?: string;
  type: string;
  message?: string;
}

/** A finding as fastest-validator has it. */
interface RawFinding extends Finding {
  /** What the rule accepts, as the contract states it. */
  expected?: unknown;
  /** What was sent. */
  actual?: unknown;
}

/** The most findings in one error: a list of 10,000 wrong values must not make as many. */
const MAX_FINDINGS = 20;

/** Names that are echoed to the client that sent them. Anything else may be a value in the wrong place. */
const PLAIN_NAME = /^[A-Za-z][\w-]{0,31}$/;

/** Messages that would repeat what was sent, and what is said instead. */
const REPLACED: Readonly<Record<string, string>> = {
  arrayEnum: "Some of these values are not accepted.",
  arrayUnique: "A value must not be there twice.",
};

/**
 * The findings of a validator without the submitted values, and without the action and the node that Moleculer
 * adds. Each unknown field gets a finding of its own, with its name if that is a short plain identifier.
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
  const said = shown ?? message;
  return {
    ...(field !== undefined && { field }),
    type,
    ...(said !== undefined && { message: said }),
  };
}

/** @param field the object that the unknown fields are in; left out: the parameters themselves */
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
