import { OpgError } from "#protocol/errors.ts";

/** uint40's greatest value: a time that never comes. */
export const NEVER = 2 ** 40 - 1;

/** A time for people. @param seconds - since 1970 */
export function timeText(seconds: number): string {
  return seconds >= NEVER ? "never" : new Date(seconds * 1000).toISOString();
}

/** A day or time that a person typed, seconds since 1970; nothing for an empty text. @throws OpgError `invalid_body` */
export function readTime(option: string, text: string): number | undefined {
  if (text === "") return undefined;
  const isUtc = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text);
  const seconds = Date.parse(text) / 1000;
  if (isUtc && Number.isFinite(seconds)) return seconds;
  const message = `--${option} "${text}" is not a time; give a day such as 2026-01-31 or a time such as 2026-01-31T12:00Z.`;
  throw new OpgError("invalid_body", message, { option });
}
