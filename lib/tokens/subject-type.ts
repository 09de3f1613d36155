/** The kinds of account that a token can belong to (docs/tokens.md#subject-types). */
export const SubjectType = {
  /** A program that the operator of the platform runs for all tenants of the deployment. */
  ManagedServiceAccount: "ManagedServiceAccount",
  /** A program. */
  ServiceAccount: "ServiceAccount",
  /** Works for the operator, and may manage other accounts. */
  UserAccount: "UserAccount",
  /** Any account on whose behalf staff act. */
  ImpersonatedUserAccount: "ImpersonatedUserAccount",
  /** The first administrator. */
  SuperUserAccount: "SuperUserAccount",
  /** An administrator of this environment. */
  EnvironmentAdminAccount: "EnvironmentAdminAccount",
  /** A person who uses the application. */
  EndUserAccount: "EndUserAccount",
  /** A program of end users, such as the back end of a mobile app. */
  EndUserApplication: "EndUserApplication",
} as const;

export type SubjectType = (typeof SubjectType)[keyof typeof SubjectType];

export const isSubjectType = (value: unknown): value is SubjectType =>
  typeof value === "string" && Object.hasOwn(SubjectType, value);

/** Accounts that work for the operator, and may manage others. */
export const STAFF = [
  SubjectType.UserAccount,
  SubjectType.SuperUserAccount,
  SubjectType.EnvironmentAdminAccount,
] as const;

/** Accounts of a person with a password. Impersonation, programs and trusted issuers' users are not among them. */
export const PEOPLE = [SubjectType.EndUserAccount, ...STAFF] as const;

/** Administrators of the whole environment: only they manage each other and the programs of the platform. */
export const ENVIRONMENT_ADMINS: readonly SubjectType[] = [
  SubjectType.SuperUserAccount,
  SubjectType.EnvironmentAdminAccount,
];

export const isEnvironmentAdmin = ({ subjectType }: { subjectType: SubjectType }): boolean =>
  ENVIRONMENT_ADMINS.includes(subjectType);

/** The groups that are displayed by a name, the largest first. */
const GROUPS: readonly (readonly [name: string, types: readonly SubjectType[]])[] = [
  ["people", PEOPLE],
  ["staff", STAFF],
  ["env. admins", ENVIRONMENT_ADMINS],
];

/** Lists kinds of account for display: `"people or impersonated"`. */
export function describeSubjects(subjects: readonly SubjectType[]): string {
  const [name, group] =
    GROUPS.find(([, types]) => types.every((type) => subjects.includes(type))) ?? [];
  const others = subjects
    .filter((type) => !group?.includes(type))
    .map((type) => (type === SubjectType.ImpersonatedUserAccount ? "impersonated" : type));
  return [...(name ? [name] : []), ...others].join(" or ");
}
