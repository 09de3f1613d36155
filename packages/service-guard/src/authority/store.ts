/** What the guard stores of a credential, without its secret. */
export interface CredentialRecord {
  id: string;
  service: string;
  issuedAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

/** Stores which credentials were used and revoked. Several guard nodes may share one store. */
export interface CredentialStore {
  /** Records the use of a credential. @returns false if it is revoked */
  use(
    credential: Pick<CredentialRecord, "id" | "service" | "issuedAt" | "expiresAt">,
  ): Promise<boolean>;
  list(): Promise<CredentialRecord[]>;
  /** Revokes a credential that was used before. @returns undefined if there is none */
  revoke(id: string): Promise<CredentialRecord | undefined>;
  /** The credentials that were revoked since this time. */
  revokedSince(time: Date): Promise<{ id: string; revokedAt: Date }[]>;
}

/** Keeps credentials in memory, so that revocations are forgotten with the process. It is for a single guard node. */
export const memoryStore = (): CredentialStore => recordStore([], () => {});

/**
 * A store over a list of records.
 *
 * @param save stores all records; a change is acknowledged afterwards
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
