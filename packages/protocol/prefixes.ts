import { concat, sha256, toUtf8Bytes, ZeroHash } from "ethers";
import { z } from "zod";
import { bytes32 } from "./hex.ts";
import { MAX_STEPS } from "./steps.ts";

/** Length of the longest path: of a tree over the responses after 0 to {@link MAX_STEPS} steps. */
const MAX_DEPTH = Math.ceil(Math.log2(MAX_STEPS + 1));

/** Stands in a tree where a response was not reached; it fills trees up, too, and is no response itself. */
export const NO_RESPONSE = ZeroHash;

/** Where a response stands among those after each number of steps, with what proves it. */
export const prefixJson = z.strictObject({
  steps: z.int().min(0).max(MAX_STEPS),
  /** Siblings from the leaf up. */
  path: z.array(bytes32).max(MAX_DEPTH),
});

export type Prefix = z.infer<typeof prefixJson>;

/**
 * Root of a binary tree over the responses after 0, 1, ... steps, filled up with zeros to a power of two:
 * `sha256("OPG/prefixes/1" || left || right)`. One response is its own root.
 */
export function prefixesRoot(responses: readonly string[]): string {
  return levelsOf(responses).at(-1)?.[0] ?? ZeroHash;
}

/** Proves that the response after so many steps is in the tree. */
export function prefixAt(responses: readonly string[], steps: number): Prefix {
  const levels = levelsOf(responses).slice(0, -1);
  return { steps, path: levels.map((level, height) => level[(steps >> height) ^ 1] ?? ZeroHash) };
}

/** The root that a response and its place lead to; `undefined` where the place is none of a tree of that depth. */
export function rootFrom(response: string, { steps, path }: Prefix): string | undefined {
  if (steps >= 2 ** path.length) return undefined;
  return path.reduce(
    (node, sibling, height) => ((steps >> height) & 1 ? joined(sibling, node) : joined(node, sibling)),
    response,
  );
}

function levelsOf(responses: readonly string[]): string[][] {
  const width = 2 ** Math.ceil(Math.log2(responses.length));
  const levels = [[...responses, ...Array<string>(width - responses.length).fill(NO_RESPONSE)]];
  for (let level = levels[0] ?? []; level.length > 1; level = levels.at(-1) ?? []) {
    levels.push(Array.from({ length: level.length / 2 }, (_, at) => joined(level[2 * at], level[2 * at + 1])));
  }
  return levels;
}

function joined(left = ZeroHash, right = ZeroHash): string {
  return sha256(concat([toUtf8Bytes("OPG/prefixes/1"), left, right]));
}
