import type { Random } from "./random.ts";
import { otherFormOf } from "./otherForm.ts";
import { copyTree, nodesOf, readTree, type Tree, writeTree } from "./tree.ts";

/** A change of one node, made in place; `others` are nodes of the same tree. */
type Change = (node: Tree, random: Random, others: readonly Tree[]) => void;

/** Lengths and numbers at which readers are known to go wrong. */
const EDGES = [-1, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 2 ** 31, 2 ** 32 - 1, 2 ** 53];
const CBOR_MAJORS = 8;
const DER_TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x17, 0x18, 0x1f, 0x30, 0x31, 0x80, 0xa0, 0xa1, 0xa3,
];

const changes: readonly Change[] = [
  // More often than the others, which are mostly found by form alone.
  ...Array<Change>(8).fill(changeContent),
  (node, random) => (node.lie = random.pick(EDGES) * (random.once(2) ? 1 : -1)),
  (node, random) => (node.excess = 1 + random.below(3)),
  (node) => (node.indefinite = !node.indefinite),
  (node, random) => (node.head = node.format === "der" ? random.pick(DER_TAGS) : random.below(CBOR_MAJORS)),
  (node, random) => (node.number = random.pick(EDGES) + random.below(3)),
  removeChild,
  repeatChild,
  swapChildren,
  swapEntries,
  swapEntries,
  (node) => node.children.reverse(),
  (node, random, others) => Object.assign(node, copyTree(random.pick(others))),
  (node) => Object.assign(node, { content: new Uint8Array(), children: [] }),
  wrap,
];

/** What changes a document, though it still says the same. */
const documentChanges: readonly Change[] = [...changes, negateSignature];

/**
 * A document with one to three values changed, whether CBOR's, or in a certificate inside: their bytes, lengths, heads, types,
 * order and number. What encloses them fits, so that the change is not found by its length alone.
 */
export function mutateTree(document: Uint8Array, random: Random): Uint8Array {
  const tree = readTree(document);
  for (let count = 1 + random.below(3); count > 0; count--) changeOne(tree, random, documentChanges);
  return writeTree(tree);
}

/** A certificate with a value changed, so that its signature no longer holds. */
export function mutateCertificate(certificate: Uint8Array, random: Random): Uint8Array {
  const byteString = Buffer.from([0x59, certificate.length >> 8, certificate.length & 0xff]);
  for (;;) {
    const [tree] = readTree(Buffer.concat([byteString, certificate])).children;
    if (!tree) throw new Error("not a certificate");
    changeOne(tree, random, changes);
    const mutant = writeTree(tree);
    if (Buffer.compare(mutant, certificate) !== 0) return mutant;
  }
}

function changeOne(tree: Tree, random: Random, among: readonly Change[]): void {
  const nodes = nodesOf(tree);
  // Half of all in what has no certificate in it, as these have by far the most values.
  const outside = nodes.filter(({ format }) => format === "cbor");
  const candidates = outside.length > 0 && random.once(2) ? outside : nodes;
  random.pick(among)(random.pick(candidates), random, nodes);
}

function changeContent(node: Tree, random: Random): void {
  if (node.children.length > 0 || node.content.length === 0) {
    node.number += random.pick(EDGES);
    return;
  }
  const content = Buffer.from(node.content);
  const at = random.below(content.length);
  const kinds: readonly (() => Uint8Array)[] = [
    () => content.fill((content[at] ?? 0) ^ (1 << random.below(8)), at, at + 1),
    () => content.fill(random.below(256), at, at + 1),
    () => content.subarray(0, at),
    () => Buffer.concat([content, random.bytes(1 + random.below(4))]),
    () => Buffer.concat([Buffer.from([0]), content]),
    () => content.fill(random.once(2) ? 0 : 0xff),
    () => random.bytes(content.length),
    () => content.reverse(),
  ];
  node.content = random.pick(kinds)();
}

function removeChild({ children }: Tree, random: Random): void {
  if (children.length > 0) children.splice(random.below(children.length), 1 + random.below(2));
}

function repeatChild({ children }: Tree, random: Random): void {
  if (children.length === 0) return;
  // Two, so that a map gets the same key and value twice.
  const at = random.below(Math.ceil(children.length / 2)) * 2;
  children.splice(random.below(children.length), 0, ...children.slice(at, at + 2).map(copyTree));
}

function swapChildren({ children }: Tree, random: Random): void {
  if (children.length < 2) return;
  const [from, to] = [random.below(children.length), random.below(children.length)];
  [children[from], children[to]] = [children[to] as Tree, children[from] as Tree];
}

/** Gives a signature somewhere in the document its second form, which holds as well. */
function negateSignature(_: Tree, random: Random, others: readonly Tree[]): void {
  const signatures = others.filter((node) => otherFormOf(node) !== undefined);
  if (signatures.length === 0) return;
  const signature = random.pick(signatures);
  signature.content = otherFormOf(signature) ?? signature.content;
}

/** Puts the entries of a map, or values two by two, into another order. */
function swapEntries({ children }: Tree, random: Random): void {
  if (children.length < 4) return;
  const last = Math.floor(children.length / 2) - 1;
  const [from, to] = [random.below(last) * 2, (random.below(last) + 1) * 2];
  const moved = children.splice(from, 2);
  children.splice(to, 0, ...moved);
}

/** Puts a value into a value of its own kind, now and then very deep. */
function wrap(node: Tree, random: Random): void {
  for (let depth = random.once(8) ? 1000 : 1; depth > 0; depth--) {
    const inner = { ...node };
    const head = node.format === "der" ? 0x30 : 4;
    Object.assign(node, { head, content: new Uint8Array(), children: [inner], excess: 0, lie: 0, indefinite: false });
  }
}
