import { CitadelError } from "../errors/errors.ts";
import type { AccessTokenClaims } from "./access-token.ts";
import { isSubjectType, PEOPLE, STAFF, SubjectType } from "./subject-type.ts";

/** Groups of subject types, by the names that settings use. */
const SUBJECT_GROUPS = {
  STAFF,
  PEOPLE,
  END_USERS: [SubjectType.EndUserAccount],
  APPLICATIONS: [
    SubjectType.EndUserApplication,
    SubjectType.ServiceAccount,
    SubjectType.ManagedServiceAccount,
  ],
} as const satisfies Record<string, readonly SubjectType[]>;

type SubjectGroup = keyof typeof SUBJECT_GROUPS;

/** A subject type, or a group of them. */
export type SubjectName = SubjectGroup | SubjectType;

export const SUBJECT_NAMES: readonly SubjectName[] = [
  ...(Object.keys(SUBJECT_GROUPS) as SubjectGroup[]),
  ...Object.values(SubjectType),
];

/** The subject types of these names, each once. */
export const subjectTypesOf = (names: readonly SubjectName[]): readonly SubjectType[] => [
  ...new Set(names.flatMap((name) => (isSubjectType(name) ? [name] : SUBJECT_GROUPS[name]))),
];

/** @throws CitadelError UserNotAuthorized unless the user is of one of these types */
export function mustBeSubject(
  { subjectType }: Pick<AccessTokenClaims, "subjectType">,
  subjects: readonly unknown[],
): void {
  if (!subjects.includes(subjectType))
    throw new CitadelError("UserNotAuthorized", {
      message: "Accounts of this kind may not do this.",
      data: { subjectType },
    });
}
