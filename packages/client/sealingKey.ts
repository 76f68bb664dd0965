import { getBytes, sha256 } from "ethers";
import { z } from "zod";
import { OpgError } from "../protocol/errors.ts";
import { address, bytes, bytes32 } from "../protocol/hex.ts";
import type { AdmittedNode } from "./admittedNode.ts";
import { nodeRefused } from "./nodeRefusal.ts";

/** Of what a gateway tells of a node that which can be held to the registry. */
export const toldNodeJson = z.looseObject({
  node: address,
  operator: address,
  measurement: bytes32,
  tlsKeyHash: bytes32,
  hpkeKeyHash: bytes32.optional(),
  /** Key configuration, as the node itself says it; `null` where it does not answer the gateway. */
  hpkeConfig: bytes.nullable(),
});

/** By a gateway all of it, by the node itself the key configuration alone. */
export type ToldNode = Pick<z.output<typeof toldNodeJson>, "hpkeConfig"> & Partial<z.output<typeof toldNodeJson>>;

const heldFields = ["node", "operator", "measurement", "tlsKeyHash", "hpkeKeyHash"] as const;

/**
 * The key configuration (RFC 9458, section 3.1) to seal a request to a node with, whoever told it: the one that its enclave
 * was admitted with, or none.
 *
 * @throws OpgError `node_refused` where anything that is told is not what the registry says; `node_unavailable` where no key
 * is told
 */
export function sealingKeyOf(node: AdmittedNode, told: ToldNode): Uint8Array {
  const field = heldFields.find((name) => told[name] !== undefined && told[name] !== node[name]);
  if (field !== undefined) throw nodeRefused(node.node, "entry_mismatch", { field });
  const { hpkeConfig } = told;
  if (hpkeConfig === null) {
    const message = `The gateway hears nothing from the node ${node.node}; seal to another, or ask it for its key yourself.`;
    throw new OpgError("node_unavailable", message, { node: node.node });
  }
  if (sha256(hpkeConfig) !== node.hpkeKeyHash) throw nodeRefused(node.node, "sealing_key");
  return getBytes(hpkeConfig);
}
