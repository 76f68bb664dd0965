import { readdirSync, readFileSync } from "node:fs";

const testFolder = new URL("../", import.meta.url);

/** Everything that is written in tests, TypeScript and Solidity, as one text. */
export const testSources = readdirSync(testFolder, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.(ts|sol)$/.test(name))
  .map((name) => readFileSync(new URL(name, testFolder), "utf8"))
  .join("\n");
