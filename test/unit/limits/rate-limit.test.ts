import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";

describe("a rate limit", () => {
  it.each(["600", "0/60", "600/0", "600/60s", "-1/60", "OFF"])("is not '%s'", (value) => {
    expect(() => loadConfig({ RATE_LIMIT_USER: value }, new Map())).toThrow(
      /RATE_LIMIT_USER must be/,
    );
  });

  it("may be off, but not in production", () => {
    const settings = { RATE_LIMIT_ADDRESS: "off", RATE_LIMIT_USER: "600/60" };
    expect(loadConfig(settings, new Map()).rateLimits).toMatchObject({
      address: undefined,
      user: { max: 600, seconds: 60 },
    });
    expect(() => loadConfig({ ...settings, NODE_ENV: "production" }, new Map())).toThrow(
      /RATE_LIMIT_ADDRESS must be/,
    );
  });
});
