import { expect } from "chai";
import type { Wallet } from "ethers";
import type { Trail } from "#protocol/settlement.ts";
import type { Journey } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { type Ended, runOpg } from "./runOpg.ts";
import { sharedJourney } from "./sharedJourney.ts";

describe("the tasks for people with an account", function () {
  this.timeout(180_000);
  let journey: Journey;
  let payer: Wallet;
  let trail: Trail;

  const opg = (...words: string[]): Promise<Ended> => runOpg(journey, words, { OPG_KEY: payer.privateKey });

  before(async () => {
    journey = await sharedJourney();
    payer = await newPayer(journey, 10n * 10n ** 18n);
  });

  it("infer says how to fill an account that is empty", async () => {
    const { code, stderr } = await opg("infer", "--image", "examples/line/line.png", "--account");
    expect(code).to.equal(1);
    expect(stderr).to.match(/account deposit.*\(account_insufficient\)\n$/);
  });

  it("account deposit opens it, and account show tells what is in it", async () => {
    const { code, stdout, stderr } = await opg("account", "deposit", "2.5");
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include("2.5 OPG went into the account").and.to.include("holds 2.5 OPG now");
    const shown = (await opg("account", "show")).stdout;
    expect(shown)
      .to.match(/holds +2\.5 OPG/)
      .and.to.match(/leaving +nothing/);
    expect(shown).to.include(`signed by ${payer.address}, the payer`);
  });

  it("account deposit fills somebody else's", async () => {
    const other = journey.payer.address;
    expect((await opg("account", "deposit", "0.5", "--payer", other)).stdout).to.include(`account of ${other}`);
    expect((await opg("account", "show", other)).stdout).to.match(/holds +0\.5 OPG/);
  });

  it("infer --account reads a picture without a transaction of the payer's", async () => {
    const before = await journey.provider.getTransactionCount(payer.address);
    const { code, stdout, stderr } = await opg("infer", "--image", "examples/line/line.png", "--account", "--json");
    expect(code, stderr).to.equal(0);
    trail = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Trail;
    expect(trail.account).to.be.an("object");
    expect(trail.payer).to.equal(payer.address);
    expect(await journey.provider.getTransactionCount(payer.address)).to.equal(before);
  });

  it("infer --account goes on though nothing is settled and nothing was kept", async () => {
    const { code, stderr } = await opg("infer", "--image", "examples/line/line.png", "--account", "--json");
    expect(code, stderr).to.equal(0);
  });

  it("trace tells that the account owes it, or in which batch it was settled", async () => {
    const { stdout } = await opg("trace", trail.taskId);
    expect(stdout).to.include("out of the account");
    expect(stdout).to.match(/owes it to the next batch|leaf/);
  });

  it("account withdraw asks for what is wanted, says when it can be had, and takes it back", async () => {
    const asked = await opg("account", "withdraw", "--amount", "1");
    expect(asked.stdout, asked.stderr).to.match(/^1\.0 OPG can be had from \S+ on/);
    expect((await opg("account", "withdraw")).stdout).to.match(/1\.0 OPG can be had from/);
    expect((await opg("account", "show")).stdout).to.match(/leaving +1\.0 OPG, from/);
    expect((await opg("account", "withdraw", "--amount", "0")).stdout).to.include("Nothing is being withdrawn");
  });

  it("statement writes CSV whose total is the sum of its rows", async () => {
    const { stdout, stderr, code } = await opg("statement", "--payer", payer.address);
    expect(code, stderr).to.equal(0);
    const [head, ...rows] = stdout.trim().split("\n");
    expect(head).to.equal("time,kind,reference,model,version,amount,fees,transaction,block");
    const cells = rows.map((row) => row.split(","));
    const sumOf = (kinds: readonly string[]): bigint =>
      cells.filter(([, kind = ""]) => kinds.includes(kind)).reduce((sum, row) => sum + BigInt(row[5] ?? 0), 0n);
    expect(sumOf(["total"])).to.equal(sumOf(["task", "batch", "pool"]));
    expect(sumOf(["deposit"])).to.equal(3n * 10n ** 18n - 5n * 10n ** 17n);
  });

  it("statement tells only of the time that was asked for", async () => {
    const before = await opg("statement", "--payer", payer.address, "--to", "2001-01-01", "--format", "json");
    const { lines, totals } = JSON.parse(before.stdout) as { lines: unknown[]; totals: { deposits: string } };
    expect(lines).to.deep.equal([]);
    expect(totals.deposits).to.equal("0");
    const since = await opg("statement", "--payer", payer.address, "--from", "2001-01-01T00:00Z", "--format", "json");
    expect((JSON.parse(since.stdout) as typeof JSON & { lines: unknown[] }).lines).not.to.deep.equal([]);
  });

  it("say in one line what is wrong with what was typed", async () => {
    const wrong: [string[], RegExp][] = [
      [["statement"], /one of --payer, --node and --verifier/],
      [["statement", "--payer", payer.address, "--node", payer.address], /one of --payer, --node and --verifier/],
      [["statement", "--payer", "0x01"], /is not an address/],
      [["statement", "--payer", payer.address, "--from", "yesterday"], /"yesterday" is not a time/],
      [["statement", "--payer", payer.address, "--format", "xml"], /no format of a statement/],
      [["verify-receipt", "nowhere.json"], /no file nowhere\.json/],
      [["verify-receipt", "package.json"], /holds no proof/],
      [["verify-receipt", "README.md"], /is not JSON/],
      [["account", "deposit", "much"], /not an amount of OPG/],
    ];
    for (const [words, message] of wrong) {
      const { code, stderr } = await opg(...words);
      expect(code, words.join(" ")).to.equal(1);
      expect(stderr).to.match(message);
      expect(stderr.trim().split("\n")).to.have.length(1);
    }
  });
});
