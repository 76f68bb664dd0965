import { OpgError } from "../protocol/errors.ts";
import { address, bytes } from "../protocol/hex.ts";
import type { AdmittedNode } from "./admittedNodes.ts";
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
  const describe = async (node: string): Promise<AdmittedNode> => {
    const nodeAddress = readAddress(node);
    const { nodes } = await onNetwork();
    return (nodes ?? noChain("check a node")).describe(nodeAddress);
  };
  return {
    checkOnChain: async (receipt) => {
      const { network, chain } = await onNetwork();
      return checkOnChain(receipt, network, chain ?? noChain("check a receipt"));
    },
    node: describe,
    sealingKey: async (address, hpkeConfig) => {
      const node = await describe(address);
      return sealingKeyOf(node, hpkeConfig === undefined ? await pages.node(node.node) : readConfig(hpkeConfig));
    },
  };
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
  const parsed = address.safeParse(node);
  if (parsed.success) return parsed.data;
  throw new OpgError("configuration", `"${node}" is not a node's address; give 0x and 40 hex digits.`);
}
