import type { Block } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { Task } from "#protocol/task.ts";
import type { Dependencies } from "./dependencies.ts";

/** Who shows the newest block. */
export interface NewestBlock {
  getBlock: (tag: "latest") => Promise<Pick<Block, "timestamp"> | null>;
}

/** Time of the newest block, seconds since 1970: what the contracts go by. @throws OpgError `chain_unavailable` */
export async function chainTime(provider: NewestBlock): Promise<number> {
  const block = await provider.getBlock("latest");
  if (!block) throw new OpgError("chain_unavailable", "The chain has no newest block; try again in a moment.");
  return block.timestamp;
}

/** Whether the time in which a task can be settled has passed on chain. */
export async function isOverdue(
  { provider, terms }: Pick<Dependencies, "provider" | "terms">,
  { deadline }: Task,
): Promise<boolean> {
  return (await chainTime(provider)) > deadline + terms.settleWindowSeconds;
}
