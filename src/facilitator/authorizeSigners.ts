import { FacilitatorEntryAdapter } from "#chain/facilitatorEntry.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Signer } from "./signers.ts";

/** Those whose authorization is on its way: they are not made known once more meanwhile. */
const beingAuthorized = new WeakSet<Signer>();

/**
 * Has the facilitator's entry take calls of every further signer: what it does not know yet is told to it by the facilitator's
 * own transaction. Until then such a signer sends only what anyone may.
 */
export async function authorizeSigners(dependencies: Dependencies): Promise<void> {
  const { outbox, provider, terms } = dependencies;
  const entry = new FacilitatorEntryAdapter(terms.entry, provider);
  for (const signer of outbox.signers.all.filter(({ authorized }) => !authorized)) {
    if (await entry.isSigner(signer.address)) outbox.signers.authorize(signer);
    else if (!beingAuthorized.has(signer)) await makeKnown(dependencies, signer, entry);
  }
}

async function makeKnown(
  { outbox, head, terms, logger }: Dependencies,
  signer: Signer,
  entry: FacilitatorEntryAdapter,
): Promise<void> {
  const { address } = signer;
  // Who was a signer once, and was taken out, is authorized anew.
  const subject = `${address} at ${head.newest.number}`;
  const call = entry.populateSetSigner(address, true);
  const { hash, ended } = await outbox.send(subject, "authorize", call, { sender: "facilitator" });
  beingAuthorized.add(signer);
  void ended.then(({ status }) => {
    beingAuthorized.delete(signer);
    if (status === "included") outbox.signers.authorize(signer);
  });
  logger.info({ signer: address, entry: terms.entry, hash }, "a signer is being made known to the entry");
}
