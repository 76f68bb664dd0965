/** Whoever answers may be asked so many things at the same time. */
const MOST = 8;

/** Works on items, some at once, and gives the results in their order. */
export async function someAtOnce<Item, Made>(
  items: readonly Item[],
  work: (item: Item) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) made[index] = await work(item);
  };
  await Promise.all(Array.from({ length: MOST }, worker));
  return made;
}
