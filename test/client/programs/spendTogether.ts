import { fileState } from "#client/fileState.ts";
import { NonceAllocator } from "#client/nonceAllocator.ts";
import { Expenditure } from "#client/spending.ts";

/**
 * Takes nonces and spends one unit for each, within a limit that it shares with other processes. Says of each in a line
 * which nonce it was and how much it could spend.
 */
const [folder = "", count = "0", limit = "0"] = process.argv.slice(2);
const account = "eip155:1:0x01";
const state = fileState(folder);
const nonces = new NonceAllocator(state, (length) => crypto.getRandomValues(new Uint8Array(length)));
const expense = { account, asset: "0x02", host: "api.test" };

for (let index = 0; index < Number(count); index++) {
  const nonce = await nonces.next(account);
  const expenditure = new Expenditure({ state, clock: () => 0 }, expense, { maxPerDay: BigInt(limit) });
  const spent = await expenditure.raiseTo(1n).then(
    () => 1,
    () => 0,
  );
  process.stdout.write(`${JSON.stringify({ nonce: nonce.toString(), spent })}\n`);
}
