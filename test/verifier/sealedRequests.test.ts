import { expect } from "chai";
import { encodeBase64, getAddress, id, toUtf8Bytes, Wallet } from "ethers";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import { sealingInfo, sealingKeyTypedData } from "#protocol/sealedRequest.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";
import { seal } from "#service/sealing.ts";
import { rejection } from "#test/execution/rejection.ts";
import { SealedRequests } from "#verifier/sealedRequests.ts";
import { sealRequest } from "./sealRequest.ts";

const address = getAddress(`0x${"a1".repeat(20)}`);
const settlement = { chainId: 31_337n, verifyingContract: address };
const wallet = new Wallet(id("verifier"));
const taskId = id("task");
const body: ReleasedRequestJson = {
  task: {
    ...{ payer: address, node: address, model: id("model"), request: id("request") },
    ...{ policy: 0, maxAmount: "5", deadline: 9, nonce: "1" },
  },
  release: { taskId, paymentDigest: id("payment"), releasedAt: 1, facilitator: address, signature: "0x" },
  salt: id("salt"),
  inputs: { x: { dtype: "uint8", shape: [1], data: "AQ==" } },
};

describe("what is sealed to a verifier", () => {
  const sealed = new SealedRequests(wallet, settlement);
  const chainId = Number(settlement.chainId);

  const sealBytes = async (text: string) => {
    const { key } = await sealed.key();
    const context = { info: sealingInfo(settlement.chainId, wallet.address), aad: taskId };
    const { encapsulatedKey, ciphertext } = await seal(key, toUtf8Bytes(text), context);
    return { taskId, key, encapsulatedKey, ciphertext: encodeBase64(ciphertext) };
  };

  it("is sealed to a key that its wallet signs, and opens to the request", async () => {
    const key = await sealed.key();
    expect(isSignedBy(wallet.address, sealingKeyTypedData(key, settlement), key.signature)).to.equal(true);
    const opened = await sealed.open(await sealRequest(key, chainId, body));
    expect(opened).to.deep.include({ salt: body.salt, inputs: body.inputs });
    expect(opened.task.maxAmount).to.equal(5n);
  });

  it("shows nothing of the request, and is another text each time", async () => {
    const key = await sealed.key();
    const [one, other] = await Promise.all([sealRequest(key, chainId, body), sealRequest(key, chainId, body)]);
    expect(one.ciphertext).to.not.equal(other.ciphertext);
    expect(Buffer.from(one.ciphertext, "base64").toString("latin1")).to.not.include("AQ==");
  });

  it("is told apart from what was sealed to an earlier key", async () => {
    const earlier = await new SealedRequests(wallet, settlement).key();
    const error = await rejection(sealed.open(await sealRequest(earlier, chainId, body)));
    expect(error).to.include({ code: "sealing_key_unknown" });
  });

  it("does not open as another task's, another verifier's or another chain's, nor with a bit changed", async () => {
    const { key } = await sealed.key();
    const proper = await sealRequest({ verifier: wallet.address, key }, chainId, body);
    const changed = Buffer.from(proper.ciphertext, "base64");
    changed[0] = (changed[0] ?? 0) ^ 1;
    const others = [
      { ...proper, taskId: id("another task") },
      await sealRequest({ verifier: address, key }, chainId, body),
      await sealRequest({ verifier: wallet.address, key }, 1, body),
      { ...proper, ciphertext: encodeBase64(changed) },
      { ...proper, encapsulatedKey: `0x${"00".repeat(32)}` },
      { ...proper, ciphertext: "" },
    ];
    for (const other of others) expect((await rejection(sealed.open(other))).code).to.equal("invalid_body");
  });

  it("has to be a released request", async () => {
    for (const text of ["", "{", "{}", JSON.stringify({ ...body, more: 1 }), JSON.stringify({ ...body, salt: "0x" })]) {
      expect((await rejection(sealed.open(await sealBytes(text)))).code).to.equal("invalid_body");
    }
  });
});
