import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import { reservedIn } from "./accountBook.ts";
import {
  type AccountOnChain,
  approveCall,
  type ContractCall,
  depositCall,
  depositWithPermitCall,
  finalizeWithdrawCall,
  initiateWithdrawCall,
  permitOf,
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

/** Where an account stands; amounts in atomic units of OPG. */
export interface AccountView {
  payer: string;
  facilitator: string;
  /** The highest cap that a voucher was signed for: batches never take more than this in the account's whole life. */
  cap: bigint;
  /** What calls were charged in the account's whole life, as far as this client's state knows. */
  charged: bigint;
  /** Ceilings of calls that are under way, or whose end nobody heard. */
  reserved: bigint;
  /** What facilitator and verifiers together could take beyond what calls were charged. */
  atStake: bigint;
  /** Read from the chain where the client has an `rpcUrl`. */
  onChain: AccountOnChainView | null;
}

/** What the chain says, held against the client's own books. */
export interface AccountOnChainView extends AccountOnChain {
  /** Whether the client's signer signs for the account. */
  isAuthorized: boolean;
  /** Taken beyond all that this client knows to be charged or reserved: by calls of others, or by nobody's leave. */
  unaccounted: bigint;
}

/** The payer's account at one facilitator. Whatever changes it is a transaction, which takes a signer that can send one. */
export interface Account {
  /**
   * Where the account stands.
   *
   * @throws OpgError `chain_unavailable`
   */
  show(): Promise<AccountView>;
  /**
   * Puts OPG of the signer's into the account; the first time that opens it.
   *
   * @param options - `by`: `permit` signs the approval and sends one transaction; `approve` sends two, for wallets that are
   * contracts
   * @returns hash of the transaction
   * @throws OpgError `configuration` for a signer that cannot send, or without `rpcUrl`; `chain_unavailable`, `timeout`
   */
  deposit(options: { amount: bigint; by?: "permit" | "approve" }): Promise<string>;
  /** Asks for an amount back, in place of what was asked for before; 0 takes that back. @returns from when on it can be had */
  initiateWithdraw(options: { amount: bigint }): Promise<number>;
  /** Pays what was asked for to the payer, once its time has come. @returns hash of the transaction */
  finalizeWithdraw(): Promise<string>;
  /** Names another key that signs vouchers and tasks; the one before counts for the withdrawal delay more. */
  setAuthorizer(options: { authorizer: string }): Promise<string>;
}

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
  const { domain, types, value } = await permitOf(chain, asset, { owner, spender, value: amount, deadline });
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
