/** The part of the Web Locks API that the client needs. */
export interface Locks {
  request<T>(name: string, callback: () => Promise<T>): Promise<T>;
}

/** The Web Locks API, which all tabs of an origin share. Browsers have it in secure contexts, Node.js from 24.5 on. */
export const webLocks = (): Locks | undefined =>
  (globalThis as { navigator?: { locks?: Locks } }).navigator?.locks;

/** The last holder of each lock in this process, by storage. */
const holders = new WeakMap<object, Promise<unknown>>();

/** Locks of this process: clients with the same storage exclude each other. */
export const localLocks = (storage: object): Locks => ({
  request<T>(_name: string, callback: () => Promise<T>): Promise<T> {
    const result = (holders.get(storage) ?? Promise.resolve()).then(callback);
    holders.set(
      storage,
      result.catch(() => {}),
    );
    return result;
  },
});
