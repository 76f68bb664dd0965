/**
 * A value of CBOR or DER as it can be changed and written again, right or wrong: what encloses it gets lengths that fit, unless
 * `lie` says otherwise. Byte strings that hold a document or a certificate have it as their only child.
 */
export interface Tree {
  format: "cbor" | "der";
  /** Major type of CBOR, or tag of DER. */
  head: number;
  /** The number of a CBOR value that is one. */
  number: number;
  content: Uint8Array;
  children: Tree[];
  /** How many bytes more than needed the length takes. */
  excess: number;
  /** By how much the length is wrong. */
  lie: number;
  /** Written without a length, with an end instead. */
  indefinite: boolean;
}

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const CONSTRUCTED = 0x20;

const leaf = { content: new Uint8Array(), children: [], number: 0, excess: 0, lie: 0, indefinite: false };

/** Reads a well-formed document of CBOR, with what is embedded in it. */
export function readTree(bytes: Uint8Array): Tree {
  const [tree, end] = readCborTree(bytes, 0);
  if (end !== bytes.length) throw new Error("bytes are left over");
  return tree;
}

/** Writes a tree as it says. */
export function writeTree(tree: Tree): Uint8Array {
  const body = tree.children.length > 0 ? Buffer.concat(tree.children.map(writeTree)) : tree.content;
  return tree.format === "der" ? writeDer(tree, body) : writeCbor(tree, body);
}

/** All nodes of a tree. */
export function nodesOf(tree: Tree): Tree[] {
  return [tree, ...tree.children.flatMap(nodesOf)];
}

/** A copy that shares nothing that changes. */
export function copyTree(tree: Tree): Tree {
  return { ...tree, children: tree.children.map(copyTree) };
}

function readCborTree(bytes: Uint8Array, start: number): [tree: Tree, end: number] {
  const first = bytes[start] ?? 0;
  const [head, info] = [first >> 5, first & 0x1f];
  const size = info < 24 || info === 31 ? 0 : 1 << (info - 24);
  const body = start + 1 + size;
  const number = size === 0 ? info : Number(`0x${Buffer.from(bytes.subarray(start + 1, body)).toString("hex")}`);
  if (head === BYTES || head === TEXT) {
    const content = bytes.subarray(body, body + number);
    const children = head === BYTES ? embedded(content) : [];
    return [{ ...leaf, format: "cbor", head, content, children }, body + number];
  }
  if (head !== ARRAY && head !== MAP) return [{ ...leaf, format: "cbor", head, number }, body];
  const indefinite = info === 31;
  const children: Tree[] = [];
  let position = body;
  const count = indefinite ? Infinity : number * (head === MAP ? 2 : 1);
  while (children.length < count && !(indefinite && bytes[position] === 0xff)) {
    const [child, end] = readCborTree(bytes, position);
    children.push(child);
    position = end;
  }
  return [{ ...leaf, format: "cbor", head, children, indefinite }, position + (indefinite ? 1 : 0)];
}

/** A certificate, or the map that a COSE document holds. */
function embedded(content: Uint8Array): Tree[] {
  if (content[0] === 0x30 && content[1] === 0x82) return readDerTrees(content) ?? [];
  const isMap = content[0] === 0xbf || (content[0] ?? 0) >> 5 === MAP;
  return content.length > 1000 && isMap ? [readTree(content)] : [];
}

/** @returns `undefined` for what is no sequence of values in DER */
function readDerTrees(bytes: Uint8Array): Tree[] | undefined {
  const trees: Tree[] = [];
  let position = 0;
  while (position < bytes.length) {
    const tag = bytes[position] ?? 0;
    const first = bytes[position + 1] ?? 0xff;
    const size = first < 0x80 ? 0 : first & 0x7f;
    if (size > 2) return undefined;
    const start = position + 2 + size;
    const length = size === 0 ? first : Buffer.from(bytes).readUIntBE(position + 2, size);
    const content = bytes.subarray(start, start + length);
    if (content.length !== length) return undefined;
    const children = (tag & CONSTRUCTED) === 0 ? [] : (readDerTrees(content) ?? []);
    trees.push({ ...leaf, format: "der", head: tag, content, children });
    position = start + length;
  }
  return trees;
}

function writeDer({ head, excess, lie, indefinite }: Tree, body: Uint8Array): Uint8Array {
  if (indefinite) return Buffer.concat([Buffer.from([head, 0x80]), body, Buffer.from([0, 0])]);
  const length = Math.max(0, body.length + lie);
  const needed = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 4;
  const size = Math.min(4, needed + excess);
  const digits = length
    .toString(16)
    .padStart(size * 2, "0")
    .slice(-size * 2);
  const written = size === 0 ? [length] : [0x80 | size, ...Buffer.from(digits, "hex")];
  return Buffer.concat([Buffer.from([head & 0xff, ...written]), body]);
}

function writeCbor(tree: Tree, body: Uint8Array): Uint8Array {
  const { head, children, excess, lie, indefinite } = tree;
  if (indefinite && head >= BYTES && head <= MAP) {
    return Buffer.concat([Buffer.from([(head << 5) | 31]), body, Buffer.from([0xff])]);
  }
  const counts: Readonly<Record<number, number>> = {
    [BYTES]: body.length,
    [TEXT]: body.length,
    [ARRAY]: children.length,
    [MAP]: Math.floor(children.length / 2),
  };
  const number = Math.max(0, (counts[head] ?? tree.number) + lie);
  return Buffer.concat([cborHead(head, number, excess), head >= BYTES && head <= MAP ? body : new Uint8Array()]);
}

function cborHead(major: number, number: number, excess: number): Uint8Array {
  const needed = number < 24 ? 0 : number < 0x100 ? 1 : number < 0x10000 ? 2 : number < 2 ** 32 ? 3 : 4;
  const width = Math.min(4, needed + excess);
  if (width === 0) return Buffer.from([(major << 5) | number]);
  const bytes = 1 << (width - 1);
  const digits = number
    .toString(16)
    .padStart(bytes * 2, "0")
    .slice(-bytes * 2);
  return Buffer.concat([Buffer.from([(major << 5) | (23 + width)]), Buffer.from(digits, "hex")]);
}
