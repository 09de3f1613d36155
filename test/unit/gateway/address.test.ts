import { describe, expect, it } from "vitest";
import { limitKeyOf, networkKeysOf, widestKeyOf } from "../../../lib/network/address.ts";

describe("limitKeyOf", () => {
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

describe("networkKeysOf", () => {
  it("returns the /64, /56 and /48 of an IPv6 address, with rising factors", () => {
    expect(networkKeysOf("2001:db8:1:abcd::1")).toEqual([
      { key: "2001:db8:1:abcd::/64", factor: 1 },
      { key: "2001:db8:1:ab00::/56", factor: 1.5 },
      { key: "2001:db8:1::/48", factor: 2 },
    ]);
    expect(widestKeyOf("2001:db8:1:abcd::1")).toBe("2001:db8:1::/48");
  });

  it.each([
    ["an IPv4-mapped address", "::ffff:203.0.113.7"],
    ["an IPv4-translated address", "::ffff:0:203.0.113.7"],
    ["a NAT64 address", "64:ff9b::203.0.113.7"],
    ["a local NAT64 address", "64:ff9b:1:2::203.0.113.7"],
    ["a local NAT64 address with a prefix of 48 bits", "64:ff9b:1:cb00:71:700::"],
    ["a 6to4 address", "2002:cb00:7107:1::1"],
    ["a Teredo address", "2001:0:4136:e378:8000:63bf:34ff:8ef8"],
  ])("of %s are the IPv4 address alone", (_, address) => {
    expect(networkKeysOf(address)).toEqual([{ key: "203.0.113.7", factor: 1 }]);
  });

  it("reads no IPv4 address from an IPv6 address outside the known networks", () => {
    expect(widestKeyOf("64:ff9b:2::203.0.113.7")).toBe("64:ff9b:2::/48");
    expect(widestKeyOf("2001:db8::203.0.113.7")).toBe("2001:db8::/48");
  });
});
