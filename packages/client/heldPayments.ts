import { Interface } from "ethers";
import type { OfferedPayment } from "./offeredPayment.ts";
import type { Payer } from "./payer.ts";

const tokenAbi = new Interface(["function balanceOf(address account) view returns (uint256)"]);

/**
 * Of payments in several tokens those that the payer holds enough for. All of them where no chain can be asked, or nothing
 * is held: the server then says what is missing.
 */
export async function heldPayments(payer: Payer, payable: OfferedPayment[]): Promise<OfferedPayment[]> {
  const tokens = [...new Set(payable.map(({ asset }) => asset))];
  if (tokens.length === 1) return payable;
  const balances = new Map(
    await Promise.all(tokens.map(async (token) => [token, await balanceOf(payer, token)] as const)),
  );
  const held = payable.filter(({ asset, amount }) => amount <= (balances.get(asset) ?? amount));
  return held.length === 0 ? payable : held;
}

async function balanceOf({ chain, address }: Payer, token: string): Promise<bigint | undefined> {
  try {
    return (await chain?.call(token, tokenAbi, "balanceOf", [address]))?.[0] as bigint | undefined;
  } catch {
    return undefined;
  }
}
