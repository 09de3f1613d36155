import { describe, expect, it } from "vitest";
import { hashOfSession, Revocations } from "../../../lib/tokens/revocations.ts";

const LATER = Date.now() / 1000 + 600;

/** auth, as it can be had or not. */
function makeAuth() {
  const auth = {
    isAway: false,
    asked: 0,
    sessions: [] as { hash: string; until: number }[],
    fetch: async () => {
      auth.asked += 1;
      if (auth.isAway) throw new Error("away");
      return { sessions: auth.sessions };
    },
  };
  return auth;
}

describe("the revocations that a node knows of", () => {
  it("call back the tokens of older generations, until the session ends", () => {
    const revocations = new Revocations(makeAuth());
    const hash = hashOfSession("one");
    revocations.add("one", LATER, 3);
    expect(revocations.find(hash, 2)).toBe("superseded");
    expect(revocations.find(hash, 3)).toBeUndefined();
    // heard too late: it says less than what is known
    revocations.add("one", LATER, 2);
    expect(revocations.find(hash, 2)).toBe("superseded");
    revocations.add("one", LATER);
    revocations.add("one", LATER, 4);
    expect(revocations.find(hash, 4)).toBe("ended");
  });

  it("are asked for once, before the first token, and again after the bus was away", async () => {
    const auth = makeAuth();
    auth.sessions = [{ hash: hashOfSession("one"), until: LATER }];
    const revocations = new Revocations(auth);
    expect(revocations.isCurrent).toBe(false);
    await Promise.all([revocations.refresh(), revocations.refresh()]);
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("one"), 1)).toBe("ended");
    expect(auth.asked).toBe(1);

    auth.sessions = [{ hash: hashOfSession("two"), until: LATER }];
    revocations.markOutdated();
    expect(revocations.isCurrent).toBe(false);
    await revocations.refresh();
    expect(revocations.find(hashOfSession("two"), 1)).toBe("ended");
    expect(revocations.find(hashOfSession("one"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are asked for in the background, so that a lost broadcast is made up for", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ ...auth, fetch: auth.fetch, interval: 5 });
    await revocations.refresh();
    auth.sessions = [{ hash: hashOfSession("lost"), until: LATER }];
    await expect.poll(() => revocations.find(hashOfSession("lost"), 1)).toBe("ended");
    revocations.stop();
  });

  it("cannot be done without: while auth was never asked, asking fails", async () => {
    const auth = makeAuth();
    auth.isAway = true;
    const revocations = new Revocations(auth);
    await expect(revocations.refresh()).rejects.toThrow("away");
    expect(revocations.isCurrent).toBe(false);
  });

  it("go on while auth is away, and are asked for until it is back", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ fetch: auth.fetch, retryInterval: 5, strictPeriod: 0 });
    revocations.add("told", LATER);
    await revocations.refresh();
    auth.isAway = true;
    revocations.markOutdated();
    await revocations.refresh();
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("told"), 1)).toBe("ended");
    auth.sessions = [{ hash: hashOfSession("meanwhile"), until: LATER }];
    auth.isAway = false;
    await expect.poll(() => revocations.find(hashOfSession("meanwhile"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are asked for before anything is good again where they may have been missed", async () => {
    const auth = makeAuth();
    const revocations = new Revocations({ fetch: auth.fetch, retryInterval: 5 });
    await revocations.refresh();
    auth.isAway = true;
    revocations.markOutdated();
    await expect(revocations.refresh()).rejects.toThrow("away");
    expect(revocations.isCurrent).toBe(false);
    auth.isAway = false;
    await expect.poll(() => revocations.isCurrent).toBe(true);
    revocations.stop();
  });

  it("are asked for anew where the answer was asked for before they may have been missed", async () => {
    const answers: ((value: { sessions: { hash: string; until: number }[] }) => void)[] = [];
    const fetch = () => new Promise<any>((resolve) => answers.push(resolve));
    const revocations = new Revocations({ fetch });
    const before = revocations.refresh();
    revocations.markOutdated();
    const after = revocations.refresh();
    answers[0]!({ sessions: [] });
    await before;
    expect(revocations.isCurrent).toBe(false);
    answers[1]!({ sessions: [{ hash: hashOfSession("missed"), until: LATER }] });
    await after;
    expect(revocations.isCurrent).toBe(true);
    expect(revocations.find(hashOfSession("missed"), 1)).toBe("ended");
    revocations.stop();
  });

  it("are forgotten when no access token of theirs can live", async () => {
    const revocations = new Revocations(makeAuth());
    revocations.add("old", Date.now() / 1000 - 1);
    await revocations.refresh();
    expect(revocations.find(hashOfSession("old"), 1)).toBeUndefined();
    revocations.stop();
  });
});
