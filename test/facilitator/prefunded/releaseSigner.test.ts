import { expect } from "chai";
import { id, Wallet } from "ethers";
import fc from "fast-check";
import { callDigests } from "#facilitator/prefunded/callDigests.ts";
import { releaseSigner } from "#facilitator/prefunded/releaseSigner.ts";
import { policies, releaseTypedData, taskIdOf } from "#protocol/task.ts";
import { voucherDigest } from "#protocol/voucher.ts";

const wallet = new Wallet(id("facilitator"));
const domain = { chainId: 31_337n, verifyingContract: new Wallet(id("TaskEscrow")).address };
const digests = callDigests(domain);

const word = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`);
const address = word.map((hex) => new Wallet(hex === `0x${"0".repeat(64)}` ? id("") : id(hex)).address);

/** Seeds are printed where one fails, and can be given to `fc.assert` again. */
describe("digests and releases of calls, with ethers as their oracle", () => {
  it("are signed to the same bytes", async () => {
    const sign = releaseSigner(wallet, digests);
    const releases = fc.asyncProperty(word, fc.nat(2 ** 31 - 1), async (taskId, releasedAt) => {
      const release = { taskId, paymentDigest: taskId, releasedAt };
      const { domain: where, types, value } = releaseTypedData(release, domain);
      const signature = await wallet.signTypedData(where, types, value);
      expect(sign(taskId, releasedAt)).to.deep.equal({ ...release, facilitator: wallet.address, signature });
    });
    await fc.assert(releases, { numRuns: 50 });
  });

  it("are those of tasks and vouchers", () => {
    const amount = fc.bigInt(0n, 2n ** 128n - 1n);
    const tasks = fc.property(address, word, amount, fc.bigInt(0n, 2n ** 256n - 1n), (payer, model, cap, nonce) => {
      const terms = { model, request: id(model), policy: policies.reExecution, maxAmount: cap, deadline: 1, nonce };
      const task = { payer, node: wallet.address, ...terms };
      expect(digests.task(task)).to.equal(taskIdOf(task, domain));
      const voucher = { payer, facilitator: wallet.address, cap };
      expect(digests.voucher(voucher)).to.equal(voucherDigest(voucher, domain));
    });
    fc.assert(tasks, { numRuns: 50 });
  });
});
