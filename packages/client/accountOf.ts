import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import type { Account, AccountView } from "./account.ts";
import { reservedIn } from "./accountBook.ts";
import {
  approveCall,
  type ContractCall,
  depositCall,
  depositWithPermitCall,
  finalizeWithdrawCall,
  initiateWithdrawCall,
  depositPermit,
  readAccount,
  readAllowance,
  setAuthorizerCall,
} from "./accountContract.ts";
import type { ChainReader } from "./chainReader.ts";
import type { Payer } from "./payer.ts";
import type { PrefundedAccount } from "./prefundedAccount.ts";

/** How long a signed approval is good: it is submitted at once. */
const PERMIT_SECONDS = 900;
const INCLUSION_TIMEOUT_SECONDS = 120;
const POLL_MS = 250;

const receiptJson = z.looseObject({ status: z.string() }).nullable();

/** The account of a payer. @param open - asked for when it is first used */
export function accountOf(open: () => Promise<{ payer: Payer; prefunded: PrefundedAccount }>): Account {
  const send = async (call: (prefunded: PrefundedAccount) => ContractCall): Promise<string> => {
    const { payer, prefunded } = await open();
    return sendCall(payer, call(prefunded));
  };
  return {
    show: async () => {
      const { payer, prefunded } = await open();
      return showAccount(payer, prefunded);
    },
    deposit: async ({ amount, by = "permit" }) => {
      const { payer, prefunded } = await open();
      return sendCall(payer, await prepareDeposit(payer, prefunded, amount, by));
    },
    initiateWithdraw: async ({ amount }) => {
      await send(({ terms }) => initiateWithdrawCall(terms, amount));
      const { payer, prefunded } = await open();
      return (await readAccount(chainOf(payer), prefunded.terms)).withdrawableAt;
    },
    finalizeWithdraw: () => send(({ terms }) => finalizeWithdrawCall(terms)),
    setAuthorizer: ({ authorizer }) => send(({ terms }) => setAuthorizerCall(terms, authorizer)),
  };
}

async function showAccount({ chain, address }: Payer, prefunded: PrefundedAccount): Promise<AccountView> {
  const { payer, facilitator } = prefunded.terms;
  const entry = await prefunded.read();
  const charged = entry.before + entry.charged;
  const reserved = reservedIn(entry);
  const onChain = chain && (await readAccount(chain, prefunded.terms));
  const left = atLeast0(entry.cap - charged);
  const held = onChain ? atLeast0(onChain.balance - atLeast0(charged - onChain.spent)) : left;
  return {
    ...{ payer, facilitator, cap: entry.cap, charged, reserved },
    atStake: left < held ? left : held,
    onChain: onChain
      ? {
          ...onChain,
          isAuthorized: onChain.authorizer === address,
          unaccounted: atLeast0(onChain.spent - charged - reserved),
        }
      : null,
  };
}

/** As few transactions as it takes. */
async function prepareDeposit(
  payer: Payer,
  { terms }: PrefundedAccount,
  amount: bigint,
  by: "permit" | "approve",
): Promise<ContractCall> {
  const { network, signer, address: owner, clock } = payer;
  const asset = network.contracts.opg;
  const spender = terms.taskEscrow;
  const chain = chainOf(payer);
  if ((await readAllowance(chain, asset, owner, spender)) >= amount) return depositCall(terms, amount);
  if (by === "approve") {
    await sendCall(payer, approveCall(asset, spender, amount));
    return depositCall(terms, amount);
  }
  const deadline = BigInt(clock() + PERMIT_SECONDS);
  const { domain, types, value } = await depositPermit(
    chain,
    asset,
    { taskEscrow: spender, amount },
    { owner, deadline },
  );
  return depositWithPermitCall(terms, amount, deadline, await signer.signTypedData(domain, types, value));
}

/** Sends a transaction and waits until a block holds it. */
async function sendCall(payer: Payer, call: ContractCall): Promise<string> {
  const { signer } = payer;
  const chain = chainOf(payer);
  if (!signer.sendTransaction) {
    const message = "To change an account the signer must be able to send transactions: give a wallet with a provider.";
    throw new OpgError("configuration", message, { option: "signer" });
  }
  const { hash } = await signer.sendTransaction(call);
  const lastTry = Date.now() + INCLUSION_TIMEOUT_SECONDS * 1000;
  for (;;) {
    const receipt = await chain.request("eth_getTransactionReceipt", [hash], receiptJson);
    if (receipt && BigInt(receipt.status) === 1n) return hash;
    if (receipt)
      throw new OpgError("chain_unavailable", `Transaction ${hash} was reverted; look at it and try again.`, { hash });
    if (Date.now() > lastTry) {
      throw new OpgError("timeout", `Transaction ${hash} is not in a block yet; look again later.`, { hash });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function chainOf({ chain }: Payer): ChainReader {
  if (chain) return chain;
  const message = "To change an account the client needs a JSON-RPC address: create it with rpcUrl.";
  throw new OpgError("configuration", message, { option: "rpcUrl" });
}

function atLeast0(amount: bigint): bigint {
  return amount > 0n ? amount : 0n;
}
