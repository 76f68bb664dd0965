import { HDNodeWallet, Mnemonic } from "ethers";

/** Accounts of a local chain by what they do there. Anvil funds the first ten; the last one receives only. */
const localRoles = [
  "deployer",
  "facilitator",
  "verifier1",
  "verifier2",
  "verifier3",
  "operator1",
  "operator2",
  "payer",
  "governor",
  "faucet",
  "treasury",
] as const;

export type LocalRole = (typeof localRoles)[number];

/** The words that anvil and Hardhat make their accounts from: known to everyone, worth nothing. */
const mnemonic = Mnemonic.fromPhrase("test test test test test test test test test test test junk");

/** What all of them are derived from; that takes 2,048 rounds of a hash, so it is done once. */
let parent: HDNodeWallet | undefined;
const derived = new Map<LocalRole, HDNodeWallet>();

/** The wallet of a role on a local chain. */
export function localAccount(role: LocalRole): HDNodeWallet {
  const known = derived.get(role);
  if (known) return known;
  parent ??= HDNodeWallet.fromMnemonic(mnemonic, "m/44'/60'/0'/0");
  const wallet = parent.deriveChild(localRoles.indexOf(role));
  derived.set(role, wallet);
  return wallet;
}
