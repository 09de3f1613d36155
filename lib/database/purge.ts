/** The most rows that one statement deletes, so that it holds its locks only briefly. */
const BATCH = 1_000;

/** Deletes batches until one is not full. @param remove deletes one batch, and returns its number of rows */
export async function deleteInBatches(remove: (size: number) => Promise<bigint>): Promise<void> {
  while ((await remove(BATCH)) >= BATCH);
}

/**
 * Runs purges one after the other. A failed one does not keep the others from running.
 *
 * @throws the first error
 */
export async function purgeAll(purges: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const purge of purges) await purge().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
