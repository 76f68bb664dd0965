import type { EthereumProvider } from "hardhat/types/providers";
import { concat, getCreate2Address, keccak256, parseEther, toQuantity, Transaction } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import { PERMIT2 } from "#protocol/payment.ts";

/** Hash of the init code that Permit2 has everywhere. */
export const permit2InitCodeHash = "0xe2be1e05eedf35dacd66c65c862f8150ff9ab4b6b24b9bbe62be71b6b16cf0f8";

const PERMIT2_SALT = "0x0000000000000000000000000000000000000000d3af2663da51c10215000000";

/** The CREATE2 deployer of github.com/Arachnid/deterministic-deployment-proxy: its address and the one transaction of its signer. */
const create2Deployer = {
  address: "0x4e59b44847b379578588920cA78FbF26c0B4956C",
  signedTransaction:
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222",
};

/**
 * Puts the real Permit2 at its own address on a local chain; does nothing where it is already.
 *
 * @param provider - of a chain that signs for its own accounts
 * @param initCode - Permit2's, compiled as Uniswap did
 * @throws OpgError `configuration` when the init code is another
 */
export async function deployPermit2(provider: EthereumProvider, initCode: string): Promise<void> {
  const initCodeHash = keccak256(initCode);
  if (initCodeHash !== permit2InitCodeHash) {
    throw new OpgError(
      "configuration",
      "Permit2 was not compiled as Uniswap did; restore the settings of its compiler in hardhat.config.ts.",
      { initCodeHash },
    );
  }
  if (await hasCode(provider, PERMIT2)) return;
  const accounts = (await provider.request({ method: "eth_accounts" })) as string[];
  const from = accounts.at(-1);
  if (!(await hasCode(provider, create2Deployer.address))) {
    const value = toQuantity(parseEther("0.01"));
    const { from: signer } = Transaction.from(create2Deployer.signedTransaction);
    await included(provider, "eth_sendTransaction", [{ from, to: signer, value }]);
    await included(provider, "eth_sendRawTransaction", [create2Deployer.signedTransaction]);
  }
  const data = concat([PERMIT2_SALT, initCode]);
  await included(provider, "eth_sendTransaction", [{ from, to: create2Deployer.address, data }]);
  await requirePermit2(provider);
}

/** @throws OpgError `configuration` when the chain has no Permit2 */
export async function requirePermit2(provider: EthereumProvider): Promise<void> {
  if (await hasCode(provider, PERMIT2)) return;
  throw new OpgError("configuration", `The chain has no Permit2 at ${PERMIT2}; choose one that has.`, {
    permit2: PERMIT2,
  });
}

/** Where the CREATE2 deployer puts code of this hash under Permit2's salt. */
export function permit2AddressOf(initCodeHash: string): string {
  return getCreate2Address(create2Deployer.address, PERMIT2_SALT, initCodeHash);
}

/** Whether there is a contract at an address. */
export async function hasCode(provider: EthereumProvider, address: string): Promise<boolean> {
  return (await provider.request({ method: "eth_getCode", params: [address, "latest"] })) !== "0x";
}

async function included(provider: EthereumProvider, method: string, params: unknown[]): Promise<void> {
  const hash: unknown = await provider.request({ method, params });
  while (!(await provider.request({ method: "eth_getTransactionReceipt", params: [hash] }))) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
