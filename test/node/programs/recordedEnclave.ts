import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { makeKeys } from "#node/enclave/makeKeys.ts";
import { runEnclave } from "#node/enclave/runEnclave.ts";
import { socketNames } from "#node/enclave/socketNames.ts";
import { systemClock } from "#service/clock.ts";

/**
 * An enclave that lives one folder deeper than its host thinks: what is on the sockets that the host uses goes through here and is
 * written to the folder OPG_TEST_RECORD, byte by byte. The private keys are told there, too, which no message does.
 */
const {
  OPG_ENCLAVE_SOCKETS: outer = "",
  OPG_TEST_RECORD: record = "",
  OPG_TEST_LEAD_FILE: leadFile = "",
} = process.env;
const inner = join(outer, "inner");
mkdirSync(inner, { mode: 0o700 });
process.env["OPG_ENCLAVE_SOCKETS"] = inner;

await runEnclave({
  clock: () => systemClock() + Number(readFileSync(leadFile, "utf8")),
  makeKeys: async (now) => {
    const keys = await makeKeys(now);
    const told = { pid: process.pid, folder: outer, signer: keys.signer.privateKey, tls: keys.tls.key };
    writeFileSync(join(record, "told.json"), JSON.stringify(told));
    return keys;
  },
});

for (const name of Object.values(socketNames)) {
  const keep = (bytes: Buffer): void => appendFileSync(join(record, name), bytes);
  createServer((outside) => {
    const inside = connect(join(inner, name));
    outside.on("data", keep).on("error", () => inside.destroy());
    inside.on("data", keep).on("error", () => outside.destroy());
    outside.on("close", () => inside.destroy()).pipe(inside);
    inside.on("close", () => outside.destroySoon()).pipe(outside);
  }).listen(join(outer, name));
}
