import { describe, expect, it } from "vitest";
import { limitKeyOf } from "../../lib/network/address.ts";

describe("the key that limits count an address by", () => {
  it.each([
    ["203.0.113.7", "203.0.113.7"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::ffff:cb00:7107", "203.0.113.7"],
    ["0:0:0:0:0:FFFF:203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8::/64"],
    ["fe80::1%eth0", "fe80::/64"],
    ["::1", "::/64"],
    ["::", "::/64"],
    ["1::", "1::/64"],
    ["", ""],
    ["not an address", "not an address"],
  ])("of %j is %j", (address, key) => {
    expect(limitKeyOf(address)).toBe(key);
  });
});
