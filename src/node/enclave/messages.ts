import { z } from "zod";
import { admissionJson } from "#protocol/admission.ts";
import { type ErrorCode, errorStatus } from "#protocol/errors.ts";
import { address, bytes, bytes32, timestamp } from "#protocol/hex.ts";
import { meterJson } from "#protocol/meter.ts";
import { signedResultJson } from "#protocol/result.ts";
import { sealedRequestJson, sealingKeyJson } from "#protocol/sealedRequest.ts";
import { signedReleaseJson, taskJson } from "#protocol/task.ts";
import { signedVerdictJson } from "#protocol/verdict.ts";

/** Version of the interface between an enclave and its host; a frame of another one ends the connection. */
export const INTERFACE_VERSION = 1;

/** Models travel in pieces of so many bytes. */
export const PIECE_BYTES = 1024 * 1024;

/** What an enclave takes at once: a piece of a model and what is around it. */
export const MAX_HOST_FRAME_BYTES = 2 * PIECE_BYTES;

/** Longest request, as it comes and as verifiers get it; inputs travel as base64 in JSON. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

/** What a host takes at once: the longest request, sealed. */
export const MAX_ENCLAVE_FRAME_BYTES = 72 * 1024 * 1024;

/** Longest list of verifiers; as long as a certificate may be. */
const MAX_VERIFIERS = 100;

const someBytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, "must be bytes");

const nothing = z.strictObject({});
const uncheckedTask = z.strictObject({ task: taskJson, release: signedReleaseJson });

/** What an enclave is bound to for as long as it lives; all of it is in its evidence or in what it signs. */
export const startJson = z.strictObject({
  operator: address,
  payout: address,
  chainId: z.int().min(1),
  contracts: z.strictObject({ taskEscrow: address, settlement: address, nodeRegistry: address }),
  /** Those whom requests may be sealed to. */
  verifiers: z.array(address).max(MAX_VERIFIERS),
  settleWindowSeconds: z.int().min(0),
});
export type StartOptions = z.output<typeof startJson>;

const identityJson = z.strictObject({
  node: address,
  publicKey: bytes,
  tlsKeyHash: bytes32,
  hpkeConfig: bytes,
  hpkeKeyHash: bytes32,
});

const versionJson = z.strictObject({
  modelId: bytes32,
  contentDigest: bytes32,
  storageId: bytes32,
  format: bytes32,
  profile: bytes32,
  meter: meterJson,
});

/** What a host may ask of its enclave. No message carries a key, a prompt or an answer, and none has signed what it says. */
export const hostRequests = {
  /** First of all, and once: the enclave makes its keys and begins to serve. */
  start: { request: startJson, answer: identityJson },
  /** Fresh evidence of the identity, and an admission of it. */
  attest: {
    request: z.strictObject({
      nonce: bytes32,
      leaseUntil: timestamp,
      sequence: z.int().min(1),
      epoch: z.int().min(0).transform(BigInt),
    }),
    answer: z.strictObject({
      admission: admissionJson,
      evidence: someBytes,
      enclaveSignature: bytes,
    }),
  },
  /** A published version to be run from now on, unless its file is missing here, which may have as many bytes as there is room. */
  version: { request: versionJson, answer: z.strictObject({ isRunnable: z.boolean(), roomBytes: z.int().min(0) }) },
  /** A file's next bytes. With the last ones it is checked. */
  piece: {
    request: z.strictObject({
      digest: bytes32,
      totalBytes: z.int().min(1),
      offset: z.int().min(0),
      piece: someBytes,
    }),
    answer: nothing,
  },
  /** The request of a task that runs, for one verifier alone. */
  seal: {
    request: z.strictObject({ taskId: bytes32, sealingKey: sealingKeyJson }),
    answer: z.strictObject({ ...sealedRequestJson.shape, ciphertext: someBytes }),
  },
  /** Runs begun. Asked for with every page about the node, so that it has to cost nothing. */
  status: { request: nothing, answer: z.strictObject({ executions: z.int().min(0) }) },
  /** In Prometheus' text format. */
  metrics: { request: nothing, answer: z.strictObject({ metrics: z.string() }) },
  /** Takes nothing on any more, ends what runs, and answers when it has ended, or the time is over. */
  drain: { request: z.strictObject({ seconds: z.number().min(0).max(3_600) }), answer: nothing },
} as const;

/** What an enclave may ask of its host. */
export const enclaveRequests = {
  /** A task has come: may it be run? A node that is not active takes no new ones. */
  admit: { request: uncheckedTask, answer: z.strictObject({ isActive: z.boolean() }) },
  /** Its request is what it says, and it runs now. */
  begin: { request: uncheckedTask, answer: nothing },
  /** It ended without a result. */
  abandon: {
    request: z.strictObject({ taskId: bytes32, code: z.enum(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]) }),
    answer: nothing,
  },
  /** It has a result; answered once that is certified. */
  certify: {
    request: signedResultJson,
    answer: z.strictObject({ verdicts: z.array(signedVerdictJson), transaction: bytes32.nullable() }),
  },
  /** A page about the node that holds no secrets. */
  page: {
    request: z.strictObject({ path: z.enum(["/health", "/ready", "/metrics", "/info"]) }),
    answer: z.strictObject({ status: z.int().min(200).max(599), contentType: z.string(), body: z.string() }),
  },
} as const;

/** Requests of one side by their type. */
export type Requests = Readonly<Record<string, { request: z.ZodType; answer: z.ZodType }>>;

/** What every frame is. */
export const frameJson = z.union([
  z.strictObject({
    version: z.literal(INTERFACE_VERSION),
    id: z.int().min(0),
    type: z.string().max(40),
    /** Of the HTTP request that is worked on. */
    requestId: z
      .string()
      .regex(/^[A-Za-z0-9_-]{8,64}$/)
      .optional(),
    body: z.unknown(),
  }),
  z.strictObject({ version: z.literal(INTERFACE_VERSION), id: z.int().min(0), answer: z.unknown() }),
  z.strictObject({
    version: z.literal(INTERFACE_VERSION),
    id: z.int().min(0),
    /** Read as an `OpgError`, of which only a part may be usable. */
    error: z.record(z.string(), z.unknown()),
  }),
]);
export type Frame = z.output<typeof frameJson>;
