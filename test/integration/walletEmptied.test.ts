import { expect } from "chai";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { taskIdOf } from "#protocol/task.ts";
import { pendingTransactions, until } from "./chainControl.ts";
import type { Journey } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { askOffer, codeOf, payWith, signedHeader } from "./rawPayment.ts";
import { sharedJourney } from "./sharedJourney.ts";

const GWEI = 10n ** 9n;

describe("a wallet that is emptied between the check and the lock", function () {
  this.timeout(120_000);
  let journey: Journey;

  before(async () => {
    journey = await sharedJourney();
  });

  it("locks nothing, runs nothing and says why", async () => {
    const { provider, opg, taskEscrow, local, mining } = journey;
    const payer = await newPayer(journey, 10n ** 18n);
    const offer = await askOffer(journey, { payer: payer.address });
    const locked = await opg.balanceOf(local.network.contracts.taskEscrow);
    const header = await signedHeader(offer, payer);
    await mining.stopMining();
    const answering = payWith(journey, offer.body, header);
    await until(async () => (await pendingTransactions(provider)) === 1);
    // Comes later and pays to be first in the block.
    const draining = await payer.sendTransaction({
      ...opg.populateTransfer(localAccount("faucet").address, await opg.balanceOf(payer.address)),
      maxPriorityFeePerGas: 500n * GWEI,
      maxFeePerGas: 1_000n * GWEI,
      gasLimit: 100_000n,
    });
    await mining.goOnMining();
    const { status, content } = await answering;

    expect((await draining.wait())?.status).to.equal(1);
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("open_failed");
    const taskId = taskIdOf(offer.task, domainIn(local.network, "taskEscrow"));
    expect((await taskEscrow.lockOf(taskId)).status).to.equal("none");
    expect(await opg.balanceOf(local.network.contracts.taskEscrow)).to.equal(locked);
  });
});
