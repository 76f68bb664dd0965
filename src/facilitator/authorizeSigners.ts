import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * Has the facilitator's entry take calls of every further signer: what it does not know yet is told to it by the facilitator's
 * own transaction. Until then such a signer sends only what anyone may.
 */
export async function authorizeSigners(dependencies: Dependencies): Promise<void> {
  const { outbox, provider, terms, head } = dependencies;
  const entry = new FacilitatorEntryAdapter(terms.entry, provider);
  for (const signer of outbox.signers.all.filter(({ authorized }) => !authorized)) {
    const { address } = signer;
    if (await entry.isSigner(address)) {
      outbox.signers.authorize(signer);
      continue;
    }
    // Who was a signer once, and was taken out, is authorized anew.
    const subject = `${address} at ${head.newest.number}`;
    const call = entry.populateSetSigner(address, true);
    const { hash, ended } = await outbox.send(subject, "authorize", call, { sender: "facilitator" });
    void ended.then(({ status }) => status === "included" && outbox.signers.authorize(signer));
    dependencies.logger.info(
      { signer: address, entry: terms.entry, hash },
      "a signer is being made known to the entry",
    );
  }
}
