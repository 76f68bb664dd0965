/** Of so many choices one goes to who was chosen longest ago, so that a node out of favour is measured again. */
const EXPLORED_SHARE = 1 / 20;

/** Waits that differ by less are the same: who is faster by that little does not get everything. */
const SAME_WAIT_RATIO = 1.25;

/** A node that could be given a task. */
export interface Candidate {
  address: string;
  /** How long a task is expected to take there. */
  waitSeconds: number;
  /** Number of the choice that it was last chosen in; 0 for never. */
  lastTurn: number;
}

/**
 * Chooses the better of two candidates drawn at random: gateways that see the same measures do not all choose the same
 * node. Where both are as good, it is the turn of the one chosen longer ago.
 *
 * @param random - at least 0, below 1
 */
export function pickNode<Node extends Candidate>(candidates: readonly Node[], random: () => number): Node | undefined {
  const byTurn = [...candidates].sort((a, b) => a.lastTurn - b.lastTurn);
  if (random() < EXPLORED_SHARE) return byTurn[0];
  const [one, other] = drawTwo(byTurn, random);
  if (!one || !other) return one;
  if (one.waitSeconds > other.waitSeconds * SAME_WAIT_RATIO) return other;
  if (other.waitSeconds > one.waitSeconds * SAME_WAIT_RATIO) return one;
  return one.lastTurn <= other.lastTurn ? one : other;
}

function drawTwo<Item>(items: readonly Item[], random: () => number): (Item | undefined)[] {
  if (items.length <= 2) return [items[0], items[1]];
  const first = Math.floor(random() * items.length);
  const second = Math.floor(random() * (items.length - 1));
  return [items[first], items[second < first ? second : second + 1]];
}
