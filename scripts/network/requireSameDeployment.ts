import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256, toUtf8Bytes } from "ethers";
import { contractsDigest } from "#deploy/contractsDigest.ts";
import type { NetworkParameters } from "#deploy/parameters.ts";
import { OpgError } from "#protocol/errors.ts";

/**
 * A network that lies in a folder goes on with the contracts and parameters that it was deployed with; programs built for
 * others would misread it.
 *
 * @throws OpgError `configuration` when either has changed since
 */
export async function requireSameDeployment(folder: string, parameters: NetworkParameters): Promise<void> {
  const file = join(folder, "deployment");
  const wanted = sha256(toUtf8Bytes(contractsDigest() + JSON.stringify(parameters)));
  const deployed = await readFile(file, "utf8").catch(() => undefined);
  if (deployed === undefined) return writeFile(file, wanted);
  if (deployed === wanted) return;
  throw new OpgError(
    "configuration",
    `The network in ${folder} was deployed from other contracts or parameters; npm run reset removes it, then start again.`,
    { folder },
  );
}
