import { expect } from "chai";
import { concat, id, Interface } from "ethers";
import { network } from "hardhat";
import { type Revert, decodeRevert } from "#chain/decodeRevert.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { networkFixture } from "#test/contracts/fixture.ts";

const connection = await network.create();
const { loadFixture, time } = connection.networkHelpers;

/** An `open` that is late, a second one, or signed by another: what is read from the error that the provider threw. */
async function refusedOpen(
  how: "late" | "twice" | "foreign",
): Promise<{ revert: Revert | undefined; values: string[] }> {
  const { addresses, provider, makeTask, signPayment, wallets } = await loadFixture(networkFixture);
  const escrow = new TaskEscrowAdapter(addresses.taskEscrow, provider);
  const task = await makeTask();
  const call = escrow.populateOpen(task, await signPayment(task, how === "foreign" ? wallets.stranger : wallets.payer));
  if (how === "twice") await wallets.facilitator.sendTransaction(call);
  if (how === "late") await time.increaseTo(task.deadline + 1);
  const thrown: unknown = await wallets.facilitator.estimateGas(call).catch((error: unknown) => error);
  return { revert: decodeRevert(thrown), values: [String(task.deadline)] };
}

describe("decodeRevert", () => {
  it("reads our errors with their values, in words", async () => {
    const { revert, values } = await refusedOpen("late");
    expect(revert).to.deep.equal({
      name: "DeadlinePassed",
      values: { deadline: values[0] },
      words: `deadline passed (deadline ${values[0]})`,
    });
  });

  it("reads errors of ours that another contract passed on", async () => {
    expect((await refusedOpen("twice")).revert?.name).to.equal("TaskNotNew");
  });

  it("reads Permit2's errors", async () => {
    expect((await refusedOpen("foreign")).revert).to.deep.equal({
      name: "InvalidSigner",
      values: {},
      words: "invalid signer",
    });
  });

  it("reads revert data itself, and Solidity's own two errors", () => {
    const solidity = new Interface(["error Error(string reason)", "error Panic(uint256 code)"]);
    expect(decodeRevert(solidity.encodeErrorResult("Error", ["no"]))?.values).to.deep.equal({ reason: "no" });
    expect(decodeRevert({ info: { error: { data: solidity.encodeErrorResult("Panic", [17]) } } })?.words).to.equal(
      "panic (code 17)",
    );
  });

  it("says nothing of what is no revert, or a stranger's", () => {
    for (const thrown of [
      undefined,
      null,
      7,
      "text",
      new Error("text"),
      { data: "0x" },
      concat([id("Other()").slice(0, 10)]),
    ]) {
      expect(decodeRevert(thrown)).to.equal(undefined);
    }
  });
});
