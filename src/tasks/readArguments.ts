import { getAddress, isAddress, isHexString, parseUnits } from "ethers";
import type { NodeRegistryAdapter, RegisteredNode } from "#chain/nodeRegistry.ts";
import { OpgError } from "#protocol/errors.ts";

/** An address that a person typed. @throws OpgError `invalid_body` */
export function readAddress(text: string): string {
  const known: boolean = isAddress(text);
  if (known) return getAddress(text);
  throw new OpgError("invalid_body", `"${text}" is not an address; give 0x and 40 hex digits.`);
}

/** A taskId that a person typed. @throws OpgError `invalid_body` */
export function readTaskId(text: string): string {
  if (isHexString(text, 32)) return text.toLowerCase();
  throw new OpgError("invalid_body", `"${text}" is not a taskId; give 0x and 64 hex digits.`);
}

/** A measurement that a person typed. @throws OpgError `invalid_body` */
export function readMeasurement(text: string): string {
  if (isHexString(text, 32)) return text.toLowerCase();
  throw new OpgError("invalid_body", `"${text}" is not a measurement; give 0x and 64 hex digits.`);
}

/** A node that was admitted once. @throws OpgError `invalid_body` */
export async function readNode(nodeRegistry: NodeRegistryAdapter, address: string): Promise<RegisteredNode> {
  const node = await nodeRegistry.node(address);
  if (node.status !== "none") return node;
  const message = `${address} was never admitted as a node of this network; opg nodes lists those that were.`;
  throw new OpgError("invalid_body", message, { node: address });
}

/** An amount of OPG that a person typed, in atomic units. @throws OpgError `invalid_body` */
export function readOpg(text: string): bigint {
  if (/^\d{1,10}(\.\d{1,18})?$/.test(text)) return parseUnits(text, 18);
  throw new OpgError("invalid_body", `"${text}" is not an amount of OPG; give a decimal number such as 0.25.`);
}
