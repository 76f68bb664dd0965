import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import hardhatTypechain from "@nomicfoundation/hardhat-typechain";
import { definePlugin } from "hardhat/plugins";
import type { HookContext, SolidityHooks } from "hardhat/types/hooks";
import type { HardhatPlugin } from "hardhat/types/plugins";

/**
 * hardhat-typechain with three differences: types are made for this project's own contracts only (none for Permit2),
 * files of contracts that are gone are removed, and the code is what Node runs as it is: relative imports end in `.ts`
 * and no stray statement turns a namespace of types into code. Files that did not change are not touched: other processes may be reading them.
 */
export const typechainPlugin: HardhatPlugin = definePlugin({
  ...hardhatTypechain,
  hookHandlers: { ...hardhatTypechain.hookHandlers, solidity: () => Promise.resolve({ default: solidityHooks }) },
});

async function solidityHooks(): Promise<Partial<SolidityHooks>> {
  const stock = await hardhatTypechain.hookHandlers?.solidity?.();
  const generate = (await stock?.default())?.processArtifactsAfterSuccessfulBuild;
  if (generate === undefined) throw new Error("hardhat-typechain no longer has the hook that generates types");

  return {
    async processArtifactsAfterSuccessfulBuild(context, artifactPaths, rootFilePaths, options) {
      if (context.globalOptions.noTypechain) return;
      const { root, cache } = context.config.paths;
      mkdirSync(cache, { recursive: true });
      const staging = mkdtempSync(join(cache, "typechain-"));
      try {
        await generate(generatingInto(context, staging), ownArtifacts(context, artifactPaths), rootFilePaths, options);
        replaceFolder(resolve(root, context.config.typechain.outDir ?? "typechain-types"), staging);
      } finally {
        rmSync(staging, { recursive: true, force: true });
      }
    },
  };
}

function generatingInto(context: HookContext, outDir: string): HookContext {
  const typechain = { ...context.config.typechain, outDir };
  return Object.create(context, { config: { value: { ...context.config, typechain } } }) as HookContext;
}

function ownArtifacts(context: HookContext, artifactPaths: readonly string[]): string[] {
  const sources = context.config.paths.sources.solidity.map((folder) => relative(context.config.paths.root, folder));
  const folders = sources.map((folder) => join(context.config.paths.artifacts, folder) + sep);
  return artifactPaths.filter((path) => folders.some((folder) => path.startsWith(folder))).sort();
}

function replaceFolder(target: string, staging: string): void {
  const wanted = new Map(filesBelow(staging).map((file) => [file, erasable(join(staging, file))]));
  mkdirSync(target, { recursive: true });
  for (const file of filesBelow(target)) if (!wanted.has(file)) rmSync(join(target, file));
  for (const [file, content] of wanted) writeIfChanged(join(target, file), content, join(staging, file));
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function erasable(path: string): string {
  return readFileSync(path, "utf8")
    .replaceAll(/(from\s+["']\.[^"']*)\.js(["'])/g, "$1.ts$2")
    .replaceAll(/(export interface OutputObject \{.*\});$/gm, "$1");
}

function writeIfChanged(path: string, content: string, staged: string): void {
  try {
    if (readFileSync(path, "utf8") === content) return;
  } catch {
    mkdirSync(dirname(path), { recursive: true });
  }
  writeFileSync(staged, content);
  renameSync(staged, path);
}
