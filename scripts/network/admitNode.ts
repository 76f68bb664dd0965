import { id, type Provider, type Wallet } from "ethers";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import { NodeRegistryAdapter } from "#chain/nodeRegistry.ts";
import { submitCall } from "#chain/submitCall.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { profileDigest } from "#execution/profile.ts";
import { admissionTypedData } from "#protocol/admission.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { signDocument } from "#protocol/signedDocument.ts";
import { joinSignatures } from "#protocol/verdict.ts";

/**
 * Has a node admitted that has no enclave, by the verifiers' keys, which on a local network everybody knows: for what is tested and
 * measured without nodes.
 */
export async function admitNode(network: Network, provider: Provider, node: Pick<Wallet, "address" | "signTypedData">) {
  const operator = localAccount("operator1").connect(provider);
  const nodeRegistry = new NodeRegistryAdapter(network.contracts.nodeRegistry, provider, network.deploymentBlock);
  const block = await provider.getBlock("latest");
  const admission = {
    ...{ node: node.address, operator: operator.address, payout: operator.address },
    measurement: simulatedMeasurement(profileDigest),
    ...{ tlsKeyHash: id("no TLS key"), hpkeKeyHash: id("no HPKE key"), evidenceHash: id("no evidence") },
    leaseUntil: (block?.timestamp ?? 0) + (await nodeRegistry.maxLeaseSeconds()),
    ...{ sequence: 1, epoch: 1n },
  };
  const typedData = admissionTypedData(admission, domainIn(network, "nodeRegistry"));
  const verifiers = (["verifier1", "verifier2", "verifier3"] as const).map((role) => localAccount(role));
  const signing = verifiers.map(async (verifier) => ({
    signer: verifier.address,
    signature: await signDocument(verifier, typedData),
  }));
  const certificate = joinSignatures(await Promise.all(signing));
  await submitCall(operator, nodeRegistry.populateAdmit(admission, await signDocument(node, typedData), certificate));
}
