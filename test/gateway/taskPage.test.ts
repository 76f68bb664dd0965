import { expect } from "chai";
import { homePage } from "#gateway/homePage.ts";
import type { Html } from "#gateway/page.ts";
import { taskPage } from "#gateway/taskPage.ts";
import type { Trail } from "#protocol/settlement.ts";

const attack = `"><script>alert('1')</script>&`;

const trail: Trail = {
  taskId: attack,
  payer: attack,
  facilitator: attack,
  maxAmount: "10",
  charge: "6",
  model: { name: attack, version: attack, versionId: attack, digest: attack, storageId: attack },
  request: attack,
  node: { address: attack, operator: attack, payout: attack },
  response: attack,
  verdicts: [{ verifier: attack, agrees: false, reason: "response_mismatch" }],
  splits: [{ role: "node", to: attack, amount: "6" }],
  refund: "4",
  transactions: [{ purpose: "open", hash: attack, gasUsed: attack, chainId: 1 }],
  state: "settled",
};

/** A page as it is sent. */
async function textOf(page: Html): Promise<string> {
  return (await page).toString();
}

describe("pages", () => {
  it("escape everything that others chose", async () => {
    const page = await textOf(taskPage(trail));
    expect(page).not.to.contain("<script").and.not.to.contain(attack);
    expect(page).to.contain("&lt;script&gt;");
  });

  it("escape the names of models on the front page", async () => {
    const model = {
      name: attack,
      version: attack,
      versionId: attack,
      nodes: 1,
      meter: { base: "1", perInputByte: "0", perOutputByte: "0" },
    };
    const page = await textOf(homePage({ name: attack, chainId: 1 }, [model], [attack]));
    expect(page).not.to.contain("<script").and.not.to.contain(attack);
  });

  it("say so when amounts do not add up", async () => {
    expect(await textOf(taskPage({ ...trail, refund: "3" }))).to.contain("This does not add up: charge and refund");
    expect(await textOf(taskPage({ ...trail, charge: "7", refund: "3" }))).to.contain(
      "This does not add up: the splits",
    );
    expect(await textOf(taskPage(trail))).not.to.contain("does not add up");
  });
});
