import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { OpgError } from "#protocol/errors.ts";
import { publishVersion } from "#hub/publishVersion.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { ownWallet } from "./openNetwork.ts";
import { readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";

interface Options {
  file: string;
  name: string;
  label: string;
  base: string;
  perInputByte: bigint;
  perOutputByte: bigint;
}

/** `opg publish`: a version on chain, its bytes at the hub. */
export default networkTask<Options>(async (opened, { file, name, label, base, perInputByte, perOutputByte }) => {
  const bytes = await readFile(file).catch(() => {
    throw new OpgError("invalid_body", `There is no file ${file} that can be read; give an ONNX file.`);
  });
  const model = name === "" ? basename(file, extname(file)) : name;
  const versionId = await publishVersion(
    { bytes, name: model, label, meter: { base: readOpg(base), perInputByte, perOutputByte } },
    {
      modelRegistry: opened.modelRegistry,
      publisher: ownWallet(opened, localAccount("deployer")),
      hubUrl: opened.network.hub,
    },
  );
  print(`${model}@${label} is published.`);
  print(`  version  ${versionId}`);
  print("Nodes fetch it within seconds; `npx hardhat opg models` shows how many run it.");
});
