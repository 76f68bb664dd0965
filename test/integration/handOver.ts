import { AbiCoder, keccak256 } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { domainIn } from "#protocol/network.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import type { Journey } from "./journeyNetwork.ts";

const VALID_SECONDS = 3_600;

/** The verifiers of a local network, ascending by address as the contract wants them. */
export const verifierWallets = [localAccount("verifier1"), localAccount("verifier2"), localAccount("verifier3")].sort(
  (one, other) => (BigInt(one.address) < BigInt(other.address) ? -1 : 1),
);

/** The set in force signs the next one, and a stranger submits it. */
export async function handOver(
  { verifierSet, provider, local }: Journey,
  next: readonly string[],
  threshold: number,
): Promise<void> {
  const current = await verifierSet.current();
  const handover = {
    networkId: await verifierSet.networkId(),
    epoch: current.epoch,
    previousSet: setHash(current.members, current.threshold),
    nextSet: setHash(next, threshold),
    validUntil: Math.floor(Date.now() / 1000) + VALID_SECONDS,
  };
  const domain = verifierSetDomain(domainIn(local.network, "verifierSet"));
  const signing = verifierWallets
    .filter(({ address }) => current.members.includes(address))
    .map(async (wallet) => ({
      signer: wallet.address,
      signature: await wallet.signTypedData(domain, typesOf("Handover"), handover),
    }));
  const signatures = joinSignatures(await Promise.all(signing));
  const call = verifierSet.populateHandover(next, threshold, handover.validUntil, signatures);
  await submitCall(localAccount("governor").connect(provider), call);
}

function setHash(members: readonly string[], threshold: number): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["address[]", "uint256"], [members, threshold]));
}
