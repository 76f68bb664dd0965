import { expect } from "chai";
import { storageId } from "#blobs/storageId.ts";

describe("storageId", () => {
  it("is the blob id that Walrus gives the same bytes", async () => {
    expect(await storageId(Buffer.from("hello walrus"))).to.deep.equal({
      base64url: "kIrHJ_1VfYJD-OV0O1JicM2lB5swr83ZkfvTD7BWV0I",
      hex: "0x908ac727fd557d8243f8e5743b526270cda5079b30afcdd991fbd30fb0565742",
    });
  });

  it("leaves the event loop free meanwhile", async () => {
    let ticks = 0;
    const clock = setInterval(() => (ticks += 1), 20);
    await storageId(new Uint8Array(1)).finally(() => clearInterval(clock));
    expect(ticks).to.be.above(5);
  });
}).timeout(30_000);
