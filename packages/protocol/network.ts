import { z } from "zod";
import { address } from "./hex.ts";
import type { Domain } from "./typedData.ts";

const service = z.strictObject({ address, url: z.url() });

/** SHA-256 of root certificates. */
const fingerprints = z.array(z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in lower case hex")).min(1);

const evidenceRootsJson = z.strictObject({
  /** Of platforms that pretend to be AWS's: whoever holds such a root can vouch for anything. */
  simulated: fingerprints.optional(),
  /** Of AWS's Nitro Enclaves. */
  nitro: fingerprints.optional(),
});

/** `network.json`: all that a process or a person needs to take part in a network. It holds no secrets. */
export const networkJson = z.strictObject({
  name: z.string(),
  chainId: z.int().min(1),
  rpcUrl: z.url(),
  /** First block that can hold an event of the network. */
  deploymentBlock: z.int().min(0),
  contracts: z.strictObject({
    opg: address,
    verifierSet: address,
    taskEscrow: address,
    settlement: address,
    nodeRegistry: address,
    modelRegistry: address,
    accessManager: address,
    timelock: address,
    /** A lens by which facilitators read what many payers can pay. */
    payerReader: address,
  }),
  parameters: z.strictObject({
    maxTaskSeconds: z.int().min(1),
    settleWindowSeconds: z.int().min(1),
    /** How long a withdrawal from a prefunded account waits; no receipt may stay unsettled longer than a quarter of it. */
    withdrawDelaySeconds: z.int().min(1),
    /** Roots under which nodes' evidence counts, by its kind; evidence of a kind without a root is refused. */
    evidenceRoots: evidenceRootsJson.optional(),
  }),
  hub: z.url(),
  gateway: z.url(),
  facilitators: z.array(
    z.strictObject({
      ...service.shape,
      /** Its clone at TaskEscrow, which x402's `upto` authorizations name as their facilitator. */
      entry: address,
    }),
  ),
  verifiers: z.array(service),
});

/** {@link networkJson} as read. */
export type Network = z.output<typeof networkJson>;

/** Domain of one of the network's contracts. */
export function domainIn(network: Network, contract: keyof Network["contracts"]): Domain {
  return { chainId: BigInt(network.chainId), verifyingContract: network.contracts[contract] };
}

/** The network's CAIP-2 name, as x402 uses it. */
export function caip2(network: Network): `eip155:${number}` {
  return `eip155:${network.chainId}`;
}
