import { OpgError } from "../protocol/errors.ts";
import { address as addressJson, bytes } from "../protocol/hex.ts";
import type { AdmittedNodes } from "./admittedNodes.ts";
import { checkOnChain } from "./checkOnChain.ts";
import type { Client } from "./createClient.ts";
import type { GatewayPages } from "./gatewayPages.ts";
import type { Payer } from "./payer.ts";
import { sealingKeyOf, type ToldNode } from "./sealingKey.ts";

/** What a client asks the chain for a person; each throws OpgError `configuration` where it has none to ask. */
export function chainCalls(
  onNetwork: () => Promise<Payer>,
  pages: GatewayPages,
): Pick<Client, "checkOnChain" | "node" | "sealingKey"> {
  const nodesOf = async (): Promise<AdmittedNodes> => (await onNetwork()).nodes ?? noChain("check a node");
  return {
    checkOnChain: async (receipt) => {
      const { network, chain } = await onNetwork();
      return checkOnChain(receipt, network, chain ?? noChain("check a receipt"));
    },
    node: async (node) => {
      const address = readAddress(node);
      return (await nodesOf()).describe(address);
    },
    sealingKey: async (node, hpkeConfig) => {
      const address = readAddress(node);
      const nodes = await nodesOf();
      const told = hpkeConfig === undefined ? await pages.node(address) : readConfig(hpkeConfig);
      return findSealingKey(nodes, address, told);
    },
  };
}

async function findSealingKey(nodes: AdmittedNodes, address: string, told: ToldNode): Promise<Uint8Array> {
  const node = await nodes.describe(address);
  try {
    return sealingKeyOf(node, told);
  } catch {
    // It may have been admitted anew since, with another key.
    nodes.forget(address);
    return sealingKeyOf(await nodes.describe(address), told);
  }
}

function noChain(what: string): never {
  const message = `To ${what} on chain the client needs a JSON-RPC address: create it with rpcUrl.`;
  throw new OpgError("configuration", message);
}

function readConfig(hpkeConfig: string): ToldNode {
  const parsed = bytes.safeParse(hpkeConfig);
  if (parsed.success) return { hpkeConfig: parsed.data };
  throw new OpgError("configuration", "That is no key configuration; give the node's hpkeConfig, 0x and hex digits.");
}

function readAddress(node: string): string {
  const parsed = addressJson.safeParse(node);
  if (parsed.success) return parsed.data;
  throw new OpgError("configuration", `"${node}" is not a node's address; give 0x and 40 hex digits.`);
}
