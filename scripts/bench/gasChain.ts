import hre from "hardhat";
import { type AddressLike, id, MaxUint256, parseEther, type Signer, Wallet } from "ethers";
import { simulatedMeasurement } from "#attestation/nitro/simulated.ts";
import type { Call } from "#chain/call.ts";
import { submitCall } from "#chain/submitCall.ts";
import { deployNetwork } from "#deploy/deployNetwork.ts";
import { localAccount, type LocalRole } from "#deploy/localAccounts.ts";
import { parametersOf } from "#deploy/parameters.ts";
import { profileDigest } from "#execution/profile.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import type { Domain } from "#protocol/typedData.ts";
import { joinSignatures } from "#protocol/verdict.ts";

interface TypedData {
  domain: Parameters<Signer["signTypedData"]>[0];
  types: Parameters<Signer["signTypedData"]>[1];
  value: Parameters<Signer["signTypedData"]>[2];
}

/** A network on Hardhat's own chain, in this process: gas is the same on every chain, and nothing else is measured. */
export type GasChain = Awaited<ReturnType<typeof startGasChain>>;

/** Deploys a network as everywhere else, with the real Permit2 and a payer who may use it. */
export async function startGasChain() {
  const connection = await hre.network.create();
  const parameters = parametersOf("default", simulatedMeasurement(profileDigest));
  const deployed = await deployNetwork({ hre, connection }, parameters);
  const { provider } = connection.ethers;
  const walletOf = (role: LocalRole): Wallet => new Wallet(localAccount(role).privateKey, provider);
  const verifiers = [walletOf("verifier1"), walletOf("verifier2"), walletOf("verifier3")];
  const wallets = {
    payer: walletOf("payer"),
    facilitator: walletOf("facilitator"),
    faucet: walletOf("faucet"),
    operator: walletOf("operator1"),
    /** The enclave's key: it signs and never sends. */
    node: new Wallet(id("bench node")),
  };
  const { connected, contracts, facilitators, chainId } = deployed;
  const opg = connected.opg;
  await opg.connect(wallets.faucet).transfer(wallets.payer, parseEther("1000"));
  await opg.connect(wallets.payer).approve(PERMIT2, MaxUint256);
  return {
    ...{ provider, wallets, contracts, chainId, parameters, verifiers: verifiers.length },
    /** The facilitator's at TaskEscrow. */
    entry: facilitators[0]?.entry ?? "",
    domainOf: (name: "settlement" | "taskEscrow"): Domain => {
      return { chainId: BigInt(chainId), verifyingContract: contracts[name] };
    },
    approve: (owner: Wallet, spender: AddressLike) => opg.connect(owner).approve(spender, MaxUint256),
    /** Seconds since 1970, as the chain has it. */
    now: async (): Promise<number> => (await provider.getBlock("latest"))?.timestamp ?? 0,
    /** Signatures of all verifiers. */
    certify: async (typedData: TypedData): Promise<string> => {
      const signed = verifiers.map(async (verifier) => {
        return { signer: verifier.address, signature: await sign(verifier, typedData) };
      });
      return joinSignatures(await Promise.all(signed));
    },
    /** Has a call included. */
    gasOf: async (by: Wallet, call: Call): Promise<number> => Number((await submitCall(by, call)).gasUsed),
    stop: () => connection.close(),
  };
}

/** Signs typed data as `packages/protocol` makes it. */
export function sign(signer: Wallet, { domain, types, value }: TypedData): Promise<string> {
  return signer.signTypedData(domain, types, value);
}
