import { z } from "zod";
import { address, bytes, bytes32 } from "./hex.ts";

const count = z.int().min(0);

/** What a gateway measured of one version at one node. */
const versionMeasuresJson = z.strictObject({
  versionId: bytes32,
  /** `closed`: it gets tasks; `open`: none, because too many failed; `half_open`: one at a time, to see how it is. */
  state: z.enum(["closed", "open", "half_open"]),
  running: count,
  /** How tasks ended, in the window. */
  tasks: z.strictObject({
    answered: count,
    /** Streams whose reader hung up. */
    left: count,
    /** Ended by an error, whoever is to blame. */
    failed: count,
    /** By a quorum of verifiers. */
    refused: count,
    /** Without verdicts enough. */
    uncertified: count,
    timedOut: count,
    unreachable: count,
  }),
  /** Of the answered ones, verdicts included; `null` where there are none. */
  medianSeconds: z.number().min(0).nullable(),
  p95Seconds: z.number().min(0).nullable(),
});

/** What one gateway measured of a node, of the tasks that it gave it itself. */
export const nodeMeasuresJson = z.strictObject({
  windowSeconds: z.int().min(1),
  /** Whether it answers now. */
  answers: z.boolean(),
  /** Tasks that run now. */
  running: count,
  /** Those that it had tasks of in the window, the first hundred. */
  versions: z.array(versionMeasuresJson).max(100),
});
export type NodeMeasuresJson = z.input<typeof nodeMeasuresJson>;

/** A node that is active in the registry, as a gateway lists it. What it is, the registry says: read it there. */
export const nodeListingJson = z.strictObject({
  node: address,
  operator: address,
  /** Where it is reached; empty until its operator announces it. */
  url: z.string(),
  measurement: bytes32,
  /** Seconds since 1970. */
  leaseUntil: count,
  tlsKeyHash: bytes32,
  hpkeKeyHash: bytes32,
  /** Key configuration for sealed requests, which hashes to `hpkeKeyHash`; `null` where the node does not answer. */
  hpkeConfig: bytes.nullable(),
  /** versionIds that it says it can run, the first hundred. */
  versions: z.array(bytes32).max(100),
  /** Of all that it says it can run. */
  versionCount: count,
  measures: nodeMeasuresJson,
});
export type NodeListingJson = z.input<typeof nodeListingJson>;

/** `GET /v1/nodes`: a hundred at a time, by address. */
export const nodeListJson = z.strictObject({
  nodes: z.array(nodeListingJson).max(100),
  /** To be sent as `after` for those that follow; `null` where none do. */
  next: address.nullable(),
});

/** What payers asked of one version in the window. */
const versionDemandJson = z.strictObject({
  versionId: bytes32,
  /** `name@version` */
  model: z.string(),
  /** Offers asked for; that is free. */
  asked: count,
  /** Tasks released, so paid for. */
  paid: count,
  answered: count,
  /** Requests and payments that no node was there for, or none had room. */
  turnedAway: count,
  /** Nodes that run it now. */
  nodes: count,
});

/** `GET /v1/demand`: what is paid for most stands first. */
export const demandJson = z.strictObject({
  windowSeconds: z.int().min(1),
  versions: z.array(versionDemandJson).max(100),
});
export type DemandJson = z.input<typeof demandJson>;
