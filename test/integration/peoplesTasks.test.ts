import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { id, MaxUint256, Wallet } from "ethers";
import { PNG } from "pngjs";
import type { Trail } from "#protocol/settlement.ts";
import type { Journey } from "./journeyNetwork.ts";
import { runOpg } from "./runOpg.ts";
import { sharedJourney } from "./sharedJourney.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const expected = JSON.parse(readFileSync(join(root, "examples/line/expected.json"), "utf8")) as { text: string };

const STRANGER = "0x00000000000000000000000000000000000000AA";

describe("the tasks for people", function () {
  this.timeout(120_000);
  let journey: Journey;
  let trail: Trail;

  const opg = (...words: string[]) => runOpg(journey, words);
  const opgAs = (key: string, ...words: string[]) => runOpg(journey, words, { OPG_KEY: key });

  before(async () => {
    journey = await sharedJourney();
  });

  it("infer reads a picture of a line, and prints answer and trail", async () => {
    const { code, stdout, stderr } = await opg("infer", "--image", "examples/line/line.png", "--json");
    expect(code, stderr).to.equal(0);
    const answer = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Trail;
    expect(answer.output).to.equal(expected.text);
    expect(answer.state).to.equal("settled");
    trail = answer;
  });

  it("infer says clearly when a picture is not one of a line, and when it is no picture", async () => {
    const square = join(journey.local.places.folder, "square.png");
    const noise = new PNG({ width: 200, height: 200 });
    noise.data.forEach((_, index) => (noise.data[index] = (index * 7919) % 256));
    await writeFile(square, PNG.sync.write(noise));
    const notALine = await opg("infer", "--image", square);
    expect(notALine.code).to.equal(1);
    expect(notALine.stderr).to.match(/does not look like one line of text.*no_text_line/s);
    const notAPicture = await opg("infer", "--image", "package.json");
    expect(notAPicture.code).to.equal(1);
    expect(notAPicture.stderr).to.include("not_an_image");
    expect(notAPicture.stderr.trim().split("\n")).to.have.length(1);
  });

  it("trace tells who paid, what ran, who checked it, where the money went, and that it adds up", async () => {
    const { code, stdout } = await opg("trace", trail.taskId);
    expect(code).to.equal(0);
    const parts = [trail.payer, trail.model.versionId, trail.node.address, trail.transactions[1]?.hash ?? ""];
    for (const part of [...parts, ...trail.verdicts.map(({ verifier }) => verifier)]) expect(stdout).to.include(part);
    expect(stdout).to.include("yes: splits = charge");
    const json = await opg("trace", trail.taskId, "--json");
    const { output, ...told } = trail;
    expect(output).to.be.a("string");
    expect(JSON.parse(json.stdout)).to.deep.equal(told);
  });

  it("trace of a task that never was says so in one line", async () => {
    const { code, stderr } = await opg("trace", `0x${"ab".repeat(32)}`);
    expect(code).to.equal(1);
    expect(stderr).to.include("unknown_task");
    expect(stderr).not.to.include("    at ");
  });

  it("faucet, balance and withdraw move and show money", async () => {
    expect((await opg("faucet", STRANGER, "--amount", "2.5")).stdout).to.include("2.5 OPG");
    expect((await opg("balance", STRANGER)).stdout).to.match(/holds +2\.5 OPG and 1\.0 ether/);
    expect((await opg("withdraw", trail.node.payout)).stdout).to.include(`${trail.node.payout} got`);
    expect((await opg("withdraw", STRANGER)).stdout).to.include("nothing to withdraw");
    expect((await opg("refund", trail.taskId)).stdout).to.include("has ended already");
  });

  it("approve sets what Permit2 may move, and says what is missing to do so", async () => {
    const { stdout } = await opg("approve", "--amount", "1.25");
    expect(stdout).to.include(`Permit2 may move 1.25 OPG of ${journey.payer.address}`);
    expect((await opg("balance")).stdout).to.include("may move 1.25 OPG");
    expect((await opg("approve")).stdout).to.include("any amount");
    expect(await journey.opg.allowanceToPermit2(journey.payer.address)).to.equal(MaxUint256);
    const poor = await opgAs(Wallet.createRandom().privateKey, "approve");
    expect(poor.code).to.equal(1);
    expect(poor.stderr).to.match(/^The account has too little ether.*\n$/);
  });

  it("models, nodes and verifiers list what is there", async () => {
    const [models, nodes, verifiers] = await Promise.all([opg("models"), opg("nodes"), opg("verifiers")]);
    expect(models.stdout).to.include("ppocr-recogniser@1.0.0  run by 2 active nodes");
    expect(nodes.stdout).to.include(`${trail.node.address}  active`);
    expect(verifiers.stdout).to.match(/Epoch 1: 2 of 3 certify; [1-9]\d* tasks settled/);
  });

  it("nodes show, and measurements, tell what is approved and what a node proved, was paid and did", async () => {
    const { address, operator } = trail.node;
    const [shown, listed] = await Promise.all([opg("nodes", "show", address), opg("measurements")]);
    expect(shown.code, shown.stderr).to.equal(0);
    expect(shown.stdout).to.include(`${address}  active\n  evidence     simulated, under the root `);
    expect(shown.stdout).to.match(/\n {2}measurement {2}0x[0-9a-f]{64}\n {15}open: from the beginning, until never\n/);
    expect(shown.stdout).to.match(/\n {2}lease {8}until 20.*\n.*the node renews it at 20/);
    expect(shown.stdout).to.include(`\n  operator     ${operator}\n`);
    expect(shown.stdout).to.match(
      /\n {2}work {9}[1-9]\d* tasks? settled one by one, which earned \d+\.\d+ OPG; 0 refused\n/,
    );
    expect(shown.stdout).to.match(/\n {2}history {6}block \d+ .*admitted, lease until .*\n.*announced https:/);
    expect(listed.stdout).to.match(
      /^0x[0-9a-f]{64} {2}open: .*\n {2}states .*this code.*\n {2}set .*\n {2}active {7}2 nodes\n$/,
    );
  });

  it("measurements approve, and nodes retire, do one step or say in one line what is wrong", async () => {
    const stranger = Wallet.createRandom().privateKey;
    const [approved, notAHash, notTheOperator] = await Promise.all([
      opg("measurements", "approve", id("an image"), "--until", "2100-01-01"),
      opg("measurements", "end", "0x12"),
      opgAs(stranger, "nodes", "retire", trail.node.address),
    ]);
    expect(approved.stdout).to.match(/^Scheduled in block \d+ \(0x[0-9a-f]{64}\); run the same command again in 60 s/);
    expect(notAHash.stderr).to.equal('"0x12" is not a measurement; give 0x and 64 hex digits. (invalid_body)\n');
    expect(notTheOperator.stderr).to.match(/^Only 0x\w{40}, its operator, retires node .*; set OPG_KEY .*\n$/);
    expect([notAHash.code, notTheOperator.code]).to.deep.equal([1, 1]);
  });

  it("explain themselves", async () => {
    const help = await opg("--help");
    for (const name of [
      "deploy",
      "up",
      "faucet",
      "balance",
      "approve",
      "models",
      "publish",
      "nodes",
      "measurements",
      "verifiers",
      "infer",
      "trace",
      "refund",
      "withdraw",
      "account",
      "verify-receipt",
      "statement",
    ]) {
      expect(help.stdout).to.include(`opg ${name}`);
    }
    expect((await opg("infer", "--help")).stdout).to.include("--image");
  });
});
