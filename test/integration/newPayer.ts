import { Wallet } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import type { Processes } from "./journeyNetwork.ts";

const ETHER = 10n ** 18n;

/**
 * Makes an account with OPG that nobody used before. One call after the other: all are sent by the same faucet.
 *
 * @param amount - atomic units of OPG
 * @param mayPay - whether it has allowed Permit2 to move them, and ether for that; else it has neither
 */
export async function newPayer({ provider, opg }: Processes, amount: bigint, mayPay = true): Promise<Wallet> {
  const payer = new Wallet(Wallet.createRandom().privateKey, provider);
  const faucet = localAccount("faucet").connect(provider);
  await submitCall(faucet, opg.populateTransfer(payer.address, amount));
  if (!mayPay) return payer;
  await submitCall(faucet, { to: payer.address, data: "0x", value: ETHER });
  await submitCall(payer, opg.populateApprovePermit2());
  return payer;
}
