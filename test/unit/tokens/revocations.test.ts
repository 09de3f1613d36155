import { describe, expect, it } from "vitest";
import { hashOfSession, Revocations } from "../../../lib/tokens/revocations.ts";

const LATER = Date.now() / 1000 + 600;

/** A stand-in for auth, which can be unavailable. */
function makeAuth() {
  const auth = {
    isUnavailable: false,
    fetches: 0,
    sessions: [] as { hash: string; until: number }[],
    fetch: async () => {
      auth.fetches += 1;
      if (auth.isUnavailable) throw new Error("unreachable");
      return { sessions: auth.sessions };
    },
  };
  return auth;
}

describe("The revocations of a node", () => {
  it("refuse tokens of older generations, and all tokens of an ended session", () => {
    const revocations = new Revocations(makeAuth());
    const hash = hashOfSession("one");
    revocations.add("one", LATER, 3);
    expect(revocations.find(hash, 2)).toBe("superseded");
    expect(revocations.find(hash, 3)).toBeUndefined();
    // arrives late: the known generation is newer
    revocations.add("one", LATER, 2);
    expect(revocations.find(hash, 2)).toBe("superseded");
    revocations.add("one", LATER);
    revocations.add("one", LATER, 4);
    expect(revocations.find(hash, 4)).toBe("ended");
  });

  it("are fetched once before the first token, and again after markOutdated", async () => {
    const auth = makeAuth();
    auth.sessions = [{ hash: hashOfSession("one"), until: LATER }];
    const revocations = new Revocations(auth);
    expect(revocations.isCurrent).toBe(false);
    await Promise.all([revocations.refresh(), revocations.refresh()]);
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("one"), 1)).toBe("ended");
    expect(auth.fetches).toBe(1);

    auth.sessions = [{ hash: hashOfSession("two"), until: LATER }];
    revocations.markOutdated();
    expect(revocations.isCurrent).toBe(false);
    await revocations.refresh();
    expect(revocations.find(hashOfSession("two"), 1)).toBe("ended");
    expect(revocations.find(hashOfSession("one"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are fetched at an interval, in case a broadcast was lost", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ ...auth, fetch: auth.fetch, interval: 5 });
    await revocations.refresh();
    auth.sessions = [{ hash: hashOfSession("lost"), until: LATER }];
    await expect.poll(() => revocations.find(hashOfSession("lost"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are not current before the first successful fetch", async () => {
    const auth = makeAuth();
    auth.isUnavailable = true;
    const revocations = new Revocations(auth);
    await expect(revocations.refresh()).rejects.toThrow("unreachable");
    expect(revocations.isCurrent).toBe(false);
  });

  it("stay in use while auth is unavailable, and are fetched until it is back", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ fetch: auth.fetch, retryInterval: 5, strictPeriod: 0 });
    revocations.add("broadcast", LATER);
    await revocations.refresh();
    auth.isUnavailable = true;
    revocations.markOutdated();
    await revocations.refresh();
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("broadcast"), 1)).toBe("ended");
    auth.sessions = [{ hash: hashOfSession("meanwhile"), until: LATER }];
    auth.isUnavailable = false;
    await expect.poll(() => revocations.find(hashOfSession("meanwhile"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are not current after markOutdated until a fetch succeeds", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ fetch: auth.fetch, retryInterval: 5 });
    await revocations.refresh();
    auth.isUnavailable = true;
    revocations.markOutdated();
    await expect(revocations.refresh()).rejects.toThrow("unreachable");
    expect(revocations.isCurrent).toBe(false);
    auth.isUnavailable = false;
    await expect.poll(() => revocations.isCurrent).toBe(true);
    revocations.stop();
  });

  it("are not current after a fetch that began before markOutdated", async () => {
    const responses: ((value: { sessions: { hash: string; until: number }[] }) => void)[] = [];
    const fetch = () => new Promise<any>((resolve) => responses.push(resolve));
    const revocations = new Revocations({ fetch });
    const before = revocations.refresh();
    revocations.markOutdated();
    const after = revocations.refresh();
    responses[0]!({ sessions: [] });
    await before;
    expect(revocations.isCurrent).toBe(false);
    responses[1]!({ sessions: [{ hash: hashOfSession("missed"), until: LATER }] });
    await after;
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("missed"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are removed when their access tokens have expired", async () => {
    const revocations = new Revocations(makeAuth());
    revocations.add("old", Date.now() / 1000 - 1);
    await revocations.refresh();
    expect(revocations.find(hashOfSession("old"), 1)).toBeUndefined();
    revocations.stop();
  });
});
