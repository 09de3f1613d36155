import { describe, expect, it } from "vitest";
import { fuzz } from "../../fuzz/fuzz.ts";

describe("The bus of a node", () => {
  it("neither throws nor changes for inputs of unproved nodes, and limits the effect of those of proved nodes", async () => {
    await expect(fuzz({ count: 5_000, seed: 1 })).resolves.toBeUndefined();
  });
});
