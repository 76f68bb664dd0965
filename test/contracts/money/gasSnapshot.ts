import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { TransactionResponse } from "ethers";
import { z } from "zod";

/**
 * Nearly all is the same in every run; signatures over a time are not, and each zero byte among theirs costs 12 gas less than
 * another. That is eight of them.
 */
const TOLERANCE = 96n;

const file = new URL("gas.json", import.meta.url);
const snapshot = z.record(z.string(), z.int()).parse(JSON.parse(readFileSync(file, "utf8")));

/** Gas that a transaction used. */
export async function gasOf(transaction: Promise<TransactionResponse>): Promise<bigint> {
  const receipt = await (await transaction).wait();
  if (receipt === null) throw new Error("not mined");
  return receipt.gasUsed;
}

/**
 * Prints a figure, and holds it against `gas.json`, so that what a change costs or saves is seen in the change; and against its
 * limit where it has one.
 */
export function expectGas(name: string, gas: bigint, limit = gas): void {
  process.stdout.write(`        ${name}: ${gas} gas\n`);
  expect(gas, `${name} is above its limit`).to.be.at.most(limit);
  const known = BigInt(snapshot[name] ?? 0);
  const difference = gas > known ? gas - known : known - gas;
  const told = `"${name}" took ${gas} gas, the snapshot says ${known}. If the change is meant to do that, write "${name}": ${gas} into test/contracts/money/gas.json, and commit it with the change.`;
  expect(difference <= TOLERANCE, told).to.equal(true);
}
