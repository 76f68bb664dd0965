/** The one among some that a drawn number stands for. */
export function pick<Item>(among: readonly Item[], drawn: number): Item {
  const item = among[drawn % among.length];
  if (item === undefined) throw new Error("there is nothing to pick from");
  return item;
}
