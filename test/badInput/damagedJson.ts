import fc from "fast-check";

/** Keys and indices that lead to a place in a JSON value. */
export type Path = readonly string[];

/** Every place in a JSON value below `from`. */
export function pathsIn(value: unknown, from: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[...from, key], ...pathsIn(inner, [...from, key])]);
}

/** Whether a place is one of `places` or below one of them. */
export function isWithin(path: Path, places: readonly Path[]): boolean {
  return places.some((place) => place.every((key, index) => path[index] === key));
}

/** JSON that means nothing anywhere in a payment. */
const nonsense = [
  ...["null", "true", "false", "[]", "{}", '""', "0.5", "-1", "1e400", "-1e400", "1e-7", "9007199254740993"],
  ...['"NaN"', '"-1"', '"1.5"', '"1e18"', '"0x"', '"0x0"', '"undefined"', '"\\u0000"', '"\\ud800"', '"\\u202e1"'],
  ...[`"${2n ** 256n}"`, `"-${2n ** 256n}"`, `"${"9".repeat(5_000)}"`, `"0x${"f".repeat(50_000)}"`, `${2n ** 256n}`],
  ...[
    '{"__proto__":{"amount":"1"}}',
    '{"toString":"1"}',
    '{"length":1e9}',
    '[[["1"]]]',
    '"constructor"',
    '"__proto__"',
  ],
];

/** The same number written in ways that readers disagree about, from its digits. */
const numberSpellings: ((digits: string) => string)[] = [
  (digits) => digits,
  (digits) => `"0${digits}"`,
  (digits) => `"+${digits}"`,
  (digits) => `"-${digits}"`,
  (digits) => `" ${digits}"`,
  (digits) => `"${digits} "`,
  (digits) => `"${digits}\\n"`,
  (digits) => `"${digits}.0"`,
  (digits) => `"${digits}e0"`,
  (digits) => `"${digits}n"`,
  (digits) => `"0x${BigInt(digits).toString(16)}"`,
  (digits) => `"${digits.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))}"`,
  (digits) => `"${digits.replace(/\d/g, (digit) => String.fromCodePoint(0x0660 + Number(digit)))}"`,
  (digits) => `"${digits[0]}_${digits.slice(1)}"`,
  (digits) => `"${digits}\\u200b"`,
  (digits) => `["${digits}"]`,
];

/** Hex with something wrong about it, from the digits behind its prefix. */
const hexSpellings: ((digits: string) => string)[] = [
  (digits) => `"${digits}"`,
  (digits) => `"0X${digits}"`,
  (digits) => `"0x${digits.slice(1)}"`,
  (digits) => `"0x${digits}0"`,
  (digits) => `"0x${digits}00"`,
  (digits) => `"0x${digits.slice(2)}"`,
  (digits) => `"0x${digits.slice(1)}g"`,
  (digits) => `"0\\u0445${digits}"`,
  (digits) => `"0x\\u200b${digits}"`,
  (digits) => `" 0x${digits}"`,
  (digits) => `"0x${digits}\\u0000"`,
  (digits) => `"0x${digits.replace(/./, (first) => (first === "1" ? "2" : "1"))}"`,
  (digits) => `"0x${"0".repeat(digits.length)}"`,
];

/** Spellings that fit what stands at a place. */
function spellingsOf(text: string): string[] {
  const digits = /^"(\d+)"$/.exec(text)?.[1];
  if (digits !== undefined) return numberSpellings.map((spell) => spell(digits));
  const hex = /^"0x([0-9a-fA-F]+)"$/.exec(text)?.[1];
  return hex === undefined ? [] : hexSpellings.map((spell) => spell(hex));
}

/** A member of an object or array: its name with colon, none in an array, and its text. */
interface Member {
  name: string;
  text: string;
}

type Damage = (member: Member, hostile: string) => string[];

const damages: Record<string, Damage> = {
  replaced: ({ name }, hostile) => [name + hostile],
  removed: () => [],
  "twice, first wrong": ({ name, text }, hostile) => [name + hostile, name + text],
  "twice, then wrong": ({ name, text }, hostile) => [name + text, name + hostile],
  "in another case": ({ name, text }) => [name.toUpperCase() + (name === "" ? `[${text}]` : text)],
  "nested deep": ({ name, text }) => [name + "[".repeat(1_000) + text + "]".repeat(1_000)],
};

/** JSON texts of `value`, each spoilt at one of `paths`. None means what `value` means. */
export function damagedJson(value: unknown, paths: readonly Path[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...paths), fc.constantFrom(...Object.values(damages)), fc.nat())
    .map(([path, damage, choice]) =>
      textOf(value, path, (member) => {
        const hostile = [...spellingsOf(member.text), ...nonsense].filter((text) => text !== member.text);
        return damage(member, hostile[choice % hostile.length] ?? "null");
      }),
    )
    .filter((text) => !meansTheSame(text, value));
}

/** A key twice is never the same: readers take the first or the last as they please. */
function meansTheSame(text: string, value: unknown): boolean {
  return text === JSON.stringify(value);
}

function textOf(value: unknown, path: Path, change: (member: Member) => string[]): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const [step, ...rest] = path;
  const members = Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const name = Array.isArray(value) ? "" : `${JSON.stringify(key)}:`;
    if (key !== step) return [name + JSON.stringify(inner)];
    return rest.length > 0 ? [name + textOf(inner, rest, change)] : change({ name, text: JSON.stringify(inner) });
  });
  return Array.isArray(value) ? `[${members.join(",")}]` : `{${members.join(",")}}`;
}
