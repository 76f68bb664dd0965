import { AbiCoder, keccak256 } from "ethers";
import { submitCall } from "#chain/submitCall.ts";
import { OpgError } from "#protocol/errors.ts";
import { domainIn } from "#protocol/network.ts";
import { typesOf, verifierSetDomain } from "#protocol/typedData.ts";
import { joinSignatures } from "#protocol/verdict.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { LOCAL_CHAIN_ID, type OpenNetwork, ownWallet } from "./openNetwork.ts";
import { readAddress } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";

interface Options {
  members: string;
  threshold: number;
  validUntil: number;
  signatures: string;
}

const VALID_SECONDS = 3600;

/**
 * `opg handover`: signs the handover with OPG_KEY, or on a local network with all of its verifiers' keys, and submits it
 * once the signatures suffice.
 */
export default networkTask<Options>(async (opened, options) => {
  const { verifierSet } = opened;
  const current = await verifierSet.current();
  const next = options.members === "" ? current.members : readMembers(options.members);
  const validUntil = options.validUntil || Math.floor(Date.now() / 1000) + VALID_SECONDS;
  const value = {
    networkId: await verifierSet.networkId(),
    epoch: current.epoch,
    previousSet: setHash(current.members, current.threshold),
    nextSet: setHash(next, options.threshold),
    validUntil,
  };
  const signatures = [...readSignatures(options.signatures), ...(await signHandover(opened, current.members, value))];
  for (const { signer, signature } of signatures) print(`${signer}=${signature}`);
  if (signatures.length < current.threshold) {
    return print(
      `${signatures.length} of ${current.threshold} signatures. Let others sign with --members ${next.join(",")} --threshold ${options.threshold} --valid-until ${validUntil} and add theirs with --signatures.`,
    );
  }
  const call = verifierSet.populateHandover(next, options.threshold, validUntil, joinSignatures(signatures));
  const receipt = await submitCall(ownWallet(opened), call);
  print(`Epoch ${current.epoch + 1n} began: ${options.threshold} of ${next.length} certify (${receipt.hash}).`);
});

/** As `VerifierSet.setHash`. */
function setHash(members: readonly string[], threshold: number): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["address[]", "uint256"], [members, threshold]));
}

async function signHandover(opened: OpenNetwork, members: readonly string[], value: Record<string, unknown>) {
  const isLocal = opened.network.chainId === LOCAL_CHAIN_ID && process.env["OPG_KEY"] === undefined;
  const wallets = isLocal
    ? [localAccount("verifier1"), localAccount("verifier2"), localAccount("verifier3")]
    : [ownWallet(opened)];
  const domain = verifierSetDomain(domainIn(opened.network, "verifierSet"));
  const signing = wallets
    .filter(({ address }) => members.includes(address))
    .map(async (wallet) => ({
      signer: wallet.address,
      signature: await wallet.signTypedData(domain, typesOf("Handover"), value),
    }));
  return Promise.all(signing);
}

function readMembers(text: string): string[] {
  const members = text.split(",").map((member) => readAddress(member.trim()));
  return members.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
}

function readSignatures(text: string): { signer: string; signature: string }[] {
  if (text === "") return [];
  return text.split(",").map((entry) => {
    const [signer = "", signature = ""] = entry.trim().split("=");
    if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) {
      throw new OpgError("invalid_body", `"${entry}" is not SIGNER=SIGNATURE.`);
    }
    return { signer: readAddress(signer), signature };
  });
}
