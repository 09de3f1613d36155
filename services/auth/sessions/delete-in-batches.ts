/** The most rows that one statement deletes, so that it holds its locks only briefly. */
const BATCH = 1_000;

/** Deletes batches until one is not full. @param remove deletes one batch, and returns its number of rows */
export async function deleteInBatches(remove: (size: number) => Promise<bigint>): Promise<void> {
  while ((await remove(BATCH)) >= BATCH);
}
