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

  it("say that nothing was locked for a captured task, and what does not add up there", async () => {
    const captured: Trail = {
      ...trail,
      refund: "0",
      transactions: [
        { purpose: "approve", hash: "0x01", gasUsed: "1", chainId: 1 },
        { purpose: "capture", hash: "0x02", gasUsed: "1", chainId: 1 },
      ],
    };
    const page = await textOf(taskPage(captured));
    expect(page)
      .to.match(/Locked<\/th>\s*<td>nothing<\/td>/)
      .and.to.contain("Permit2 allowed");
    expect(page).to.contain("Charge collected and divided").and.not.to.contain("does not add up");
    expect(await textOf(taskPage({ ...captured, refund: "4" }))).to.contain("4 were refunded and nothing was locked");
    const greedy = { ...captured, maxAmount: "5" };
    expect(await textOf(taskPage(greedy))).to.contain("the charge is 6, allowed were 5");
  });
});
