/**
 * Somebody else's text for a terminal: what a terminal or a reader could take for something else (escape sequences, line
 * breaks, marks that turn the direction or cannot be seen) is shown by its code point.
 */
export function shownText(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
