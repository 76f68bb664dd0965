/** Deeper than any body or header that is spoken here, and far from what a recursion over it could not take. */
const MAX_DEPTH = 64;

/**
 * Reads JSON that means the same to every reader: UTF-8 without a mark at its start, no key twice in one object, and nested
 * no deeper than anything sent here.
 *
 * @throws TypeError for bytes that are no UTF-8, else SyntaxError
 */
export function parseStrictJson(bytes: Uint8Array | ArrayBuffer): unknown {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value: unknown = JSON.parse(text);
  requireUnambiguous(text);
  return value;
}

/** Scans a text that is known to be well-formed. */
function requireUnambiguous(text: string): void {
  // The keys of every object that is open; nothing for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new SyntaxError(`nests deeper than ${MAX_DEPTH} levels`);
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
