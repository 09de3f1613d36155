/** What the guard keeps of a credential; its secret is not part of it. */
export interface CredentialRecord {
  id: string;
  service: string;
  issuedAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

/** Where the guard keeps which credentials were used and revoked. Several guard nodes may share one store. */
export interface CredentialStore {
  /** Notes that a credential is used. @returns false: it is revoked */
  use(
    credential: Pick<CredentialRecord, "id" | "service" | "issuedAt" | "expiresAt">,
  ): Promise<boolean>;
  list(): Promise<CredentialRecord[]>;
  /** Revokes a credential that was used before. @returns undefined: there is none */
  revoke(id: string): Promise<CredentialRecord | undefined>;
  /** The credentials that were revoked since then. */
  revokedSince(time: Date): Promise<{ id: string; revokedAt: Date }[]>;
}

/** Keeps credentials in memory: revocations end with the process. For one guard node. */
export const memoryStore = (): CredentialStore => recordStore([], () => {});

/**
 * A store over a list of records.
 *
 * @param save writes all records down; a change is acknowledged after it
 */
export function recordStore(
  known: readonly CredentialRecord[],
  save: (records: CredentialRecord[]) => void,
): CredentialStore {
  const records = new Map(known.map((record) => [record.id, record]));
  const put = (record: CredentialRecord) => {
    records.set(record.id, record);
    save([...records.values()]);
    return record;
  };
  return {
    async use({ id, service, issuedAt, expiresAt }) {
      const record = records.get(id);
      const { revokedAt } = put({
        ...(record ?? { id, service, issuedAt, expiresAt, revokedAt: null }),
        lastUsedAt: new Date(),
      });
      return revokedAt === null;
    },
    list: async () => [...records.values()],
    async revoke(id) {
      const record = records.get(id);
      return record && put({ ...record, revokedAt: record.revokedAt ?? new Date() });
    },
    revokedSince: async (time) =>
      [...records.values()].flatMap(({ id, revokedAt }) =>
        revokedAt && revokedAt >= time ? [{ id, revokedAt }] : [],
      ),
  };
}
