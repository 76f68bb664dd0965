import { encodeBytes32String } from "ethers";
import { OpgError } from "../protocol/errors.ts";
import { type ModelListing, versionIdOf } from "../protocol/model.ts";

/**
 * Checks that a listing is about the model that was asked for, and that its versionId commits to everything it says:
 * file, execution profile and price. A model asked for by versionId is so fixed entirely; a name is the gateway's word.
 *
 * @throws OpgError `invalid_offer` naming the field
 */
export function checkListing(listing: ModelListing, model: string): void {
  const named = [listing.versionId, listing.name, `${listing.name}@${listing.version}`];
  if (!named.includes(model) && listing.versionId !== model.toLowerCase()) throw mismatch("model");
  const { modelId, digest, storageId, profile, meter } = listing;
  const format = encodeBytes32String(listing.format);
  const committed = versionIdOf({ modelId, contentDigest: digest, storageId, format, profile, meter });
  if (committed !== listing.versionId) throw mismatch("versionId");
}

function mismatch(field: string): OpgError {
  const message = `The gateway describes another model than the one asked for ("${field}"); nothing was signed, use another gateway.`;
  return new OpgError("invalid_offer", message, { field });
}
