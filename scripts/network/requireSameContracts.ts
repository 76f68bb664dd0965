import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contractsDigest } from "#deploy/contractsDigest.ts";
import { OpgError } from "#protocol/errors.ts";

/**
 * A network that lies in a folder goes on with the contracts that it was deployed from; programs built for others would
 * misread it.
 *
 * @throws OpgError `configuration` when the contracts have changed since
 */
export async function requireSameContracts(folder: string): Promise<void> {
  const file = join(folder, "contracts");
  const built = contractsDigest();
  const deployed = await readFile(file, "utf8").catch(() => undefined);
  if (deployed === undefined) return writeFile(file, built);
  if (deployed === built) return;
  throw new OpgError(
    "configuration",
    `The network in ${folder} was deployed from other contracts; npm run reset removes it, then start again.`,
    { folder },
  );
}
