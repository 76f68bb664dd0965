import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { builtinModules, createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { build } from "esbuild";
import hre from "hardhat";

const run = promisify(execFile);
const MAX_INSTALLED_BYTES = 20 * 1024 * 1024;

describe("the package @opg/client", function () {
  this.timeout(120_000);

  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "opg-client-"));
    await mkdir(join(folder, "app"));
    const client = join(hre.config.paths.root, "packages/client");
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: client });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
    const manifest = { name: "app", version: "1.0.0", private: true, type: "module" };
    await writeFile(join(folder, "app/package.json"), JSON.stringify(manifest));
    const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed.filename)];
    await run("npm", install, { cwd: join(folder, "app") });
  });

  after(() => rm(folder, { recursive: true }));

  it("takes less than 20 MB with everything that it needs, and no second library of signatures", async () => {
    const installed = join(folder, "app/node_modules");
    expect(await bytesIn(installed)).to.be.lessThan(MAX_INSTALLED_BYTES);
    expect(await readdir(installed)).to.have.members([".package-lock.json", "@opg", "zod"]);
  });

  it("is imported by Node from an empty folder", async () => {
    const code = `
      import { createClient, OpgError } from "@opg/client";
      const signer = { address: "0x000000000022D473030F116dDEE9F6B43aC78BA3", signTypedData: async () => "0x" };
      const client = createClient({ gateway: "http://127.0.0.1:9", signer });
      await client.models().catch((error) => console.log(error instanceof OpgError, error.code));
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: join(folder, "app") });
    expect(stdout.trim()).to.equal("true gateway_unavailable");
  });

  it("keeps its state in a folder, by the entry for Node", async () => {
    const code = `
      import { fileState } from "@opg/client/node";
      import { createClient, OpgError } from "@opg/client";
      const state = fileState("state");
      const count = (content) => ({ content: { ...content, nonces: [{ account: "a", word: 1n, next: 7 }] }, value: content.nonces.length });
      console.log(await state.update(count), await fileState("state").update(count));
      await state.update(() => { throw new OpgError("internal", ""); }).catch((error) => console.log(error.code));
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: join(folder, "app") });
    expect(stdout).to.equal("0 1\ninternal\n");
  });

  it("is bundled for a browser without anything of Node's", async () => {
    const { metafile, warnings } = await build({
      stdin: { contents: `export * from "@opg/client";`, resolveDir: join(folder, "app") },
      bundle: true,
      platform: "browser",
      format: "esm",
      write: false,
      metafile: true,
      outfile: "app.js",
    });
    expect(warnings).to.deep.equal([]);
    const imported = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    const ofNode = imported.filter((path) => path.startsWith("node:") || builtinModules.includes(path));
    expect(ofNode).to.deep.equal([]);
  });

  it("has declarations that a strict application compiles with, its libraries' checked too", async () => {
    const app = join(folder, "app");
    const code = `
      import { createClient, type Inference, type OpgError, type PaymentReceipt } from "@opg/client";
      import { askNode, fileState } from "@opg/client/node";
      declare const signer: { address: string; signTypedData(): Promise<string> };
      const client = createClient({ gateway: "http://127.0.0.1:8402", signer, maxAmount: 1n, state: fileState("state") });
      const x = { dtype: "float32" as const, shape: [1], data: [1] };
      const inference: Inference = await client.infer({ model: "m", inputs: { x } });
      export const amount: bigint = inference.receipt.result.amount;
      export const data: Uint8Array | undefined = inference.outputs["y"]?.data;
      export const state: "settled" | string = (await client.trail(inference.taskId)).state;
      export const text: string = await (await client.fetch("http://127.0.0.1", { method: "POST", paymentIdentifier: "p" })).text();
      export const taken = (receipt: PaymentReceipt): bigint | undefined => receipt.settlement?.amount;
      const { node, hpkeConfig } = await askNode(await client.node("0x"));
      export const key: Uint8Array = await client.sealingKey(node, hpkeConfig);
      export const code = (error: OpgError): string => error.code;
      // @ts-expect-error a shape is not a text: these types are not any
      await client.infer({ model: "m", inputs: { x: { ...x, shape: "1" } } });
    `;
    await writeFile(join(app, "app.ts"), code);
    const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const flags = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
    const complaints = await run(process.execPath, [compiler, ...flags, "app.ts"], { cwd: app }).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    );
    expect(complaints).to.equal("");
  });
});

async function bytesIn(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  const entries = await readdir(path);
  const sizes = await Promise.all(entries.map((entry) => bytesIn(join(path, entry))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
