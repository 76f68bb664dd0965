import { expect } from "chai";
import { digest, isDigest } from "#blobs/digest.ts";

describe("digest", () => {
  it("is SHA-256 as a bytes32", () => {
    const empty = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    expect(digest(new Uint8Array())).to.equal(empty);
    expect(isDigest(empty)).to.equal(true);
  });

  it("has one spelling, which cannot lead out of a folder", () => {
    const hex = "ab".repeat(32);
    for (const text of ["", hex, `0x${hex.toUpperCase()}`, `0x${hex}0`, `0x${hex}\n`, `0x../${hex.slice(3)}`]) {
      expect(isDigest(text), text).to.equal(false);
    }
  });
});
