import { expect } from "chai";
import { Wallet } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { authorizationToJson, paymentTypedData, TASK_SCHEME, type TaskAuthorization } from "#protocol/payment.ts";
import { taskToJson } from "#protocol/task.ts";
import type { Journey } from "./journeyNetwork.ts";
import { askOffer, codeOf, payWith, signedHeader } from "./rawPayment.ts";
import { sharedJourney } from "./sharedJourney.ts";

/** The same authorization, over one unit less. */
function lowered(authorization: TaskAuthorization): TaskAuthorization {
  const maxAmount = authorization.witness.maxAmount - 1n;
  const permitted = { ...authorization.permitted, amount: maxAmount };
  return { ...authorization, permitted, witness: { ...authorization.witness, maxAmount } };
}

describe("an authorization that does not pay", function () {
  this.timeout(120_000);
  let journey: Journey;
  let opened: number;

  const openedTasks = async (): Promise<number> => {
    const { taskEscrow } = journey.local.network.contracts;
    return (await journey.provider.getLogs({ address: taskEscrow, fromBlock: 0, toBlock: "latest" })).length;
  };
  /** Signs the offered task after a change, as a payer would who wants to get away with it. */
  const payChanged = async (
    change: (authorization: TaskAuthorization) => TaskAuthorization,
    signer = journey.payer,
  ) => {
    const offer = await askOffer(journey);
    const authorization = change(offer.authorization);
    return payWith(journey, offer.body, await signedHeader({ ...offer, authorization }, signer));
  };

  before(async () => {
    journey = await sharedJourney();
    opened = await openedTasks();
  });
  after(async () => {
    expect(await openedTasks()).to.equal(opened);
  });

  it("is refused when its signature is over less than the offer", async () => {
    const { status, content } = await payChanged((authorization) => lowered(authorization));
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("task_terms_mismatch");
  });

  it("is refused when it claims that less was offered", async () => {
    const offer = await askOffer(journey);
    const authorization = lowered(offer.authorization);
    const task = taskToJson(authorization.witness);
    const extra = { ...offer.requirements.extra, task };
    const accepted = { ...offer.requirements, amount: task.maxAmount, extra };
    const header = await signedHeader({ ...offer, authorization }, journey.payer, { accepted });
    const { status, content } = await payWith(journey, offer.body, header);
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("task_underpaid");
  });

  it("is refused when somebody else signed it", async () => {
    const { status, content } = await payChanged((authorization) => authorization, Wallet.createRandom());
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("invalid_permit2_signature");
  });

  it("is refused when it was signed for another chain", async () => {
    const offer = await askOffer(journey);
    const { domain, types, value } = paymentTypedData(offer.authorization, 1n);
    const signature = await journey.payer.signTypedData(domain, types, value);
    const { status, content } = await payWith(
      journey,
      offer.body,
      await signedHeader(offer, journey.payer, { signature }),
    );
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("invalid_permit2_signature");
  });

  it("is refused when its scheme or its network is another", async () => {
    const offer = await askOffer(journey);
    for (const [change, error] of [
      [{ scheme: "exact" }, "unsupported_scheme"],
      [{ network: "eip155:1" as const }, "invalid_network"],
    ] as const) {
      const accepted = { ...offer.requirements, ...change };
      const { status, content } = await payWith(
        journey,
        offer.body,
        await signedHeader(offer, journey.payer, { accepted }),
      );
      expect(status).to.equal(402);
      expect(codeOf(content)).to.equal(error);
    }
    expect(offer.requirements.scheme).to.equal(TASK_SCHEME);
    expect(authorizationToJson(offer.authorization).nonce).to.equal(offer.task.nonce.toString());
  });

  it("is refused when the payer has no money, or has not allowed Permit2 to move it", async () => {
    const poor = Wallet.createRandom(journey.provider);
    const offer = await askOffer(journey, { payer: poor.address });
    const first = await payWith(journey, offer.body, await signedHeader(offer, poor));
    expect(first.status).to.equal(402);
    expect(codeOf(first.content)).to.equal("permit2_insufficient_balance");

    await submitCall(journey.payer, journey.opg.populateTransfer(poor.address, 10n ** 18n));
    const second = await payWith(journey, offer.body, await signedHeader(offer, poor));
    expect(second.status).to.equal(412);
    expect(codeOf(second.content)).to.equal("permit2_allowance_required");
  });
});
