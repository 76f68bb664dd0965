import { PERMIT2_ADDRESS, SignatureTransfer } from "@uniswap/permit2-sdk";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  authorizationOf,
  PERMIT2,
  paymentDigestOf,
  paymentTypedData,
  paymentTypedDataJson,
} from "#protocol/payment.ts";
import type { Task } from "#protocol/task.ts";
import { signedTypes } from "#protocol/typedData.ts";

const CHAIN_ID = 31_337n;
const address = (digit: string): string => `0x${digit.repeat(40)}`;

const task: Task = {
  payer: address("1"),
  node: address("2"),
  model: `0x${"33".repeat(32)}`,
  request: `0x${"44".repeat(32)}`,
  policy: 0,
  maxAmount: 15_526_400_000_000_000n,
  deadline: 1_800_000_000,
  nonce: 2n ** 255n + 7n,
};
const terms = { token: address("5"), taskEscrow: address("6"), settleWindowSeconds: 60 };

describe("the payment of a task", () => {
  it("follows from the task alone", () => {
    expect(authorizationOf(task, terms)).to.deep.equal({
      from: task.payer,
      permitted: { token: terms.token, amount: task.maxAmount },
      spender: terms.taskEscrow,
      nonce: task.nonce,
      deadline: 1_800_000_060n,
      witness: task,
    });
  });

  it("has the digest that Uniswap's own SDK gives it", () => {
    const { permitted, spender, nonce, deadline, witness } = authorizationOf(task, terms);
    const permit = { permitted, spender, nonce: nonce.toString(), deadline: deadline.toString() };
    const typed = {
      witnessTypeName: "Task",
      witnessType: { Task: signedTypes.Task.map((field) => ({ ...field })) },
      witness: { ...witness, nonce: witness.nonce.toString(), maxAmount: witness.maxAmount.toString() },
    };
    const sdkPermit = { ...permit, permitted: { ...permitted, amount: permitted.amount.toString() } };
    expect(PERMIT2).to.equal(PERMIT2_ADDRESS);
    expect(paymentDigestOf(authorizationOf(task, terms), CHAIN_ID)).to.equal(
      SignatureTransfer.hash(sdkPermit, PERMIT2_ADDRESS, Number(CHAIN_ID), typed),
    );
  });

  it("is the same document for a wallet's eth_signTypedData_v4", async () => {
    const authorization = authorizationOf(task, terms);
    const { domain, types, value } = paymentTypedData(authorization, CHAIN_ID);
    const json = paymentTypedDataJson(authorization, CHAIN_ID) as {
      primaryType: string;
      domain: typeof domain;
      types: Record<string, unknown>;
      message: typeof value;
    };
    const { EIP712Domain, ...documentTypes } = json.types;
    const wallet = new Wallet(`0x${"77".repeat(32)}`);
    expect(json.primaryType).to.equal("PermitWitnessTransferFrom");
    expect(EIP712Domain).to.deep.equal([
      { name: "name", type: "string" },
      { name: "chainId", type: "uint256" },
      { name: "verifyingContract", type: "address" },
    ]);
    expect(await wallet.signTypedData(json.domain, documentTypes as typeof types, json.message)).to.equal(
      await wallet.signTypedData(domain, types, value),
    );
  });
});
