import { expect } from "chai";
import { getBytes, hexlify } from "ethers";
import { canonicalizeNans } from "#execution/canonicalizeNans.ts";

describe("canonicalizeNans", () => {
  it("makes every NaN of float32 the same and leaves infinities, zeros and numbers", () => {
    const signalling = "010080ff";
    const negative = "0000c0ff";
    const others = "0000807f" + "000080ff" + "00000080" + "01000000";
    expect(hexlify(canonicalizeNans("float32", getBytes(`0x${signalling}${negative}${others}`)))).to.equal(
      `0x0000c07f0000c07f${others}`,
    );
  });

  it("does the same for float64", () => {
    const others = "000000000000f07f" + "0000000000000080";
    expect(hexlify(canonicalizeNans("float64", getBytes(`0x010000000000f0ff${others}`)))).to.equal(
      `0x000000000000f87f${others}`,
    );
  });

  it("leaves other types alone", () => {
    expect(hexlify(canonicalizeNans("int32", getBytes("0x0000c0ff")))).to.equal("0x0000c0ff");
  });
});
