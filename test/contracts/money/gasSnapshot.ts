import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { TransactionResponse } from "ethers";
import { z } from "zod";

/** Signatures differ with the time they are made at, and their zero bytes cost less than others. */
const TOLERANCE = 250n;

const file = new URL("gas.json", import.meta.url);
const snapshot = z.record(z.string(), z.int()).parse(JSON.parse(readFileSync(file, "utf8")));

/** Gas that a transaction used. */
export async function gasOf(transaction: Promise<TransactionResponse>): Promise<bigint> {
  const receipt = await (await transaction).wait();
  if (receipt === null) throw new Error("not mined");
  return receipt.gasUsed;
}

/**
 * Prints a figure, and holds it against its limit and against `gas.json`: what a change costs or saves is to be seen in the
 * change.
 */
export function expectGas(name: string, gas: bigint, limit: bigint): void {
  process.stdout.write(`        ${name}: ${gas} gas\n`);
  expect(gas, `${name} is above its limit`).to.be.at.most(limit);
  const known = BigInt(snapshot[name] ?? 0);
  const difference = gas > known ? gas - known : known - gas;
  const told = `${name} took ${gas} gas and gas.json says ${known}; if that is meant, write it there`;
  expect(difference <= TOLERANCE, told).to.equal(true);
}
