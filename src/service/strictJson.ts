/** Deeper than any body or header that is spoken here, and far from what a recursion over it could not take. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const [QUOTE, COLON] = [0x22, 0x3a];
const [OPENING_BRACE, CLOSING_BRACE, OPENING_BRACKET, CLOSING_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Reads JSON that means the same to every reader: UTF-8 without a mark at its start, no key twice in one object, and nested
 * no deeper than anything sent here.
 *
 * @throws TypeError for bytes that are no UTF-8, else SyntaxError
 */
export function parseStrictJson(bytes: Uint8Array | ArrayBuffer): unknown {
  const text = utf8.decode(bytes);
  const value: unknown = JSON.parse(text);
  // Where fewer keys were read than are written, one stands twice in an object: which one, takes longer to find out.
  if (countWrittenKeys(text) !== countKeys(value)) requireUnambiguous(text);
  return value;
}

/** Scans a text that is known to be well-formed: outside strings, a colon follows a key and stands nowhere else. */
function countWrittenKeys(text: string): number {
  let [keys, depth] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === COLON) keys++;
    else if (code === OPENING_BRACE || code === OPENING_BRACKET) requireDepth(++depth);
    else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth--;
  }
  return keys;
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members: unknown[] = Object.values(value);
  let keys = Array.isArray(value) ? 0 : members.length;
  for (const member of members) keys += countKeys(member);
  return keys;
}

function requireDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new SyntaxError(`nests deeper than ${MAX_DEPTH} levels`);
}

/** @throws SyntaxError naming a key that stands twice in an object */
function requireUnambiguous(text: string): void {
  // The keys of every object that is open; nothing for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      if (isFollowedByColon(text, end)) addKey(open.at(-1), text.slice(at, end));
      at = end - 1;
    }
  }
}

/** Position behind a string's closing quote. */
function endOfString(text: string, start: number): number {
  let end = start;
  do end = text.indexOf('"', end + 1);
  while (isEscaped(text, end));
  return end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === "\\") first--;
  return (at - first) % 2 === 1;
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (/\s/.test(text[at] ?? "")) at++;
  return text[at] === ":";
}

function addKey(keys: Set<string> | undefined, quoted: string): void {
  const key = JSON.parse(quoted) as string;
  if (keys?.has(key)) throw new SyntaxError(`names ${JSON.stringify(key).slice(0, 100)} twice in one object`);
  keys?.add(key);
}
