import { expect } from "chai";
import { id, toBeHex } from "ethers";
import { collectVerdicts, type CountedVerdict } from "#node/collectVerdicts.ts";
import { rejection } from "#test/execution/rejection.ts";

function counted(verifier: number, agrees: boolean, epoch = 1): CountedVerdict {
  const address = toBeHex(verifier, 20);
  const opening = { response: id("response"), salt: id("salt") };
  const verdict = { verifier: address, resultHash: id("result"), epoch, mode: 0, agrees, signature: "0x", opening };
  const commitment = { verifier: address, taskId: id("task"), commitment: id("c"), committedAt: 1, signature: "0x" };
  return { commitment, threshold: 2, verdict: agrees ? verdict : { ...verdict, reason: "response_mismatch" as const } };
}

const agreeing = (verifier: number, epoch?: number) => Promise.resolve(counted(verifier, true, epoch));
const refusing = (verifier: number, epoch?: number) => Promise.resolve(counted(verifier, false, epoch));
const missing = () => Promise.reject(new Error("down"));
const silent = () => new Promise<never>(() => undefined);

describe("collectVerdicts", () => {
  it("gives everybody who agrees, ascending by verifier", async () => {
    const verdicts = await collectVerdicts([agreeing(3), agreeing(1), agreeing(2)]);
    expect(verdicts.map(({ verdict }) => BigInt(verdict.verifier))).to.deep.equal([1n, 2n, 3n]);
  });

  it("needs no more than a threshold, and leaves a refusal out", async () => {
    expect(await collectVerdicts([agreeing(1), missing(), agreeing(2)])).to.have.length(2);
    expect(await collectVerdicts([agreeing(1), refusing(3), agreeing(2)])).to.have.length(2);
  });

  it("waits no longer than a moment for somebody silent once it is decided", async () => {
    expect(await collectVerdicts([agreeing(1), agreeing(2), silent()])).to.have.length(2);
    expect((await rejection(collectVerdicts([refusing(1), silent(), refusing(2)]))).code).to.equal("result_refused");
  });

  it("takes in somebody who comes right after the decision", async () => {
    const late = new Promise<CountedVerdict>((resolve) => setTimeout(() => resolve(counted(3, true)), 50));
    expect(await collectVerdicts([agreeing(1), agreeing(2), late])).to.have.length(3);
  });

  it("names the reasons when a threshold refuses", async () => {
    const error = await rejection(collectVerdicts([refusing(1), agreeing(2), refusing(3)]));
    expect(error.code).to.equal("result_refused");
    expect(error.values).to.include({ refusals: 2, reasons: "response_mismatch, response_mismatch" });
  });

  it("does not add up verdicts of different epochs", async () => {
    const split = await rejection(collectVerdicts([agreeing(1, 1), agreeing(2, 2), missing()]));
    expect(split.code).to.equal("certificate_incomplete");
    const refused = await rejection(collectVerdicts([refusing(1, 1), refusing(2, 2), missing()]));
    expect(refused.code).to.equal("certificate_incomplete");
    const verdicts = await collectVerdicts([agreeing(1, 1), agreeing(2, 2), agreeing(3, 2)]);
    expect(verdicts.map(({ verdict }) => verdict.epoch)).to.deep.equal([2, 2]);
  });

  it("makes no certificate of nothing", async () => {
    expect((await rejection(collectVerdicts([]))).code).to.equal("certificate_incomplete");
    expect((await rejection(collectVerdicts([missing(), missing(), missing()]))).code).to.equal(
      "certificate_incomplete",
    );
    expect((await rejection(collectVerdicts([agreeing(1), missing(), refusing(2)]))).code).to.equal(
      "certificate_incomplete",
    );
  });
});
