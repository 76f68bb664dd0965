import { BlockList } from "node:net";
import { expect } from "chai";
import { clientAddress, readAddresses } from "#service/clientAddress.ts";

const proxies = readAddresses("10.0.0.0/8, 192.0.2.7,fd00::/8");

describe("clientAddress", () => {
  it("is the peer's, whatever an untrusted peer says", () => {
    expect(clientAddress("203.0.113.5", "198.51.100.1", proxies)).to.equal("203.0.113.5");
    expect(clientAddress("10.0.0.1", "198.51.100.1", new BlockList())).to.equal("10.0.0.1");
    expect(clientAddress("10.0.0.1", undefined, proxies)).to.equal("10.0.0.1");
    expect(clientAddress("", "198.51.100.1", proxies)).to.equal("");
  });

  it("is the nearest one that no trusted proxy has, not what the caller wrote to the left of it", () => {
    const told = (forwarded: string) => clientAddress("10.0.0.1", forwarded, proxies);
    expect(told("198.51.100.1")).to.equal("198.51.100.1");
    expect(told("1.1.1.1, 198.51.100.1")).to.equal("198.51.100.1");
    expect(told("1.1.1.1,198.51.100.1 , 192.0.2.7, 10.9.9.9")).to.equal("198.51.100.1");
    expect(told("10.2.2.2")).to.equal("10.2.2.2");
    for (const nonsense of ["", "unknown", "1.1.1.1, x", "198.51.100.1:80"])
      expect(told(nonsense)).to.equal("10.0.0.1");
  });

  it("counts an IPv6 address by its /64", () => {
    const of = (address: string) => clientAddress(address, undefined, proxies);
    expect(of("2001:db8:1:2:3:4:5:6")).to.equal("2001:db8:1:2::/64");
    expect(of("2001:db8:1:2::9")).to.equal("2001:db8:1:2::/64");
    expect(of("2001:0DB8:0001:0002:0:0:0:1")).to.equal("2001:db8:1:2::/64");
    expect(of("2001:db8::1")).to.equal("2001:db8:0:0::/64");
    expect(of("::1")).to.equal("0:0:0:0::/64");
    expect(of("1:2:3:4:5:6::")).to.equal("1:2:3:4::/64");
    expect(of("64:ff9b::203.0.113.9")).to.equal("64:ff9b:0:0::/64");
    expect(of("fe80::1%eth0")).to.equal("fe80:0:0:0::/64");
    expect(clientAddress("fd00::1", "2001:db8:1:2:aaaa::1", proxies)).to.equal("2001:db8:1:2::/64");
  });

  it("takes an IPv4 address in IPv6's clothes for what it is", () => {
    expect(clientAddress("::ffff:203.0.113.5", undefined, proxies)).to.equal("203.0.113.5");
    expect(clientAddress("::FFFF:10.0.0.1", "::ffff:198.51.100.1", proxies)).to.equal("198.51.100.1");
  });
});

describe("readAddresses", () => {
  it("refuses what is no address or network", () => {
    for (const wrong of [
      "",
      "proxy.local",
      "10.0.0.0/33",
      "10.0.0.0/",
      "fd00::/129",
      "10.0.0.1/8/8",
      "10.0.0.1,,",
      "::/x",
    ]) {
      expect(() => readAddresses(wrong), wrong).to.throw(RangeError, "is no address or network");
    }
  });
});
