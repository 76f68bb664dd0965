import { expect } from "chai";
import type { Journey } from "./journeyNetwork.ts";
import { askOffer, codeOf, type Offered, payWith, signedHeader } from "./rawPayment.ts";
import { sharedJourney } from "./sharedJourney.ts";

describe("an authorization that is sent again", function () {
  this.timeout(120_000);
  let journey: Journey;
  let offer: Offered;
  let header: string;
  let first: { taskId: string; receipt: { nodeSignature: string } };

  before(async () => {
    journey = await sharedJourney();
    offer = await askOffer(journey);
    header = await signedHeader(offer, journey.payer);
  });

  it("buys one execution and one answer, however often it is sent at once", async () => {
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => payWith(journey, offer.body, header)));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 200]);
    const bodies = answers.map(({ content }) => content as typeof first);
    first = bodies[0] as typeof first;
    for (const { taskId, receipt } of bodies) {
      expect(taskId).to.equal(first.taskId);
      expect(receipt.nodeSignature).to.equal(first.receipt.nodeSignature);
    }
    const trail = await journey.ended(first.taskId);
    expect(trail.transactions.map(({ purpose }) => purpose)).to.deep.equal(["open", "settle"]);
  });

  it("gives the same answer later, and charges nothing more", async () => {
    const balance = await journey.opg.balanceOf(journey.payer.address);
    const { status, content } = await payWith(journey, offer.body, header);
    expect(status).to.equal(200);
    expect((content as typeof first).receipt.nodeSignature).to.equal(first.receipt.nodeSignature);
    expect(await journey.opg.balanceOf(journey.payer.address)).to.equal(balance);
  });

  it("does not pay for another body", async () => {
    const other = await askOffer(journey, { salt: `0x${"11".repeat(32)}` });
    const { status, content } = await payWith(journey, { ...other.body, salt: other.body.salt }, header);
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("task_request_mismatch");
  });

  it("does not pay for another task with the same nonce", async () => {
    const other = await askOffer(journey, { nonce: offer.task.nonce.toString() });
    const { status, content } = await payWith(journey, other.body, await signedHeader(other, journey.payer));
    expect(status).to.equal(402);
    expect(codeOf(content)).to.equal("permit2_invalid_nonce");
  });
});
