import type { Model } from "#execution/inspectModel.ts";
import type { Admission } from "#protocol/admission.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import type { ModelVersion } from "#protocol/model.ts";
import type { SignedResult } from "#protocol/result.ts";
import type { NamedTensors } from "#protocol/tensors.ts";

/** The public half of an enclave. */
export interface EnclaveIdentity {
  /** Signing address. */
  node: string;
  /** Signing key: secp256k1, uncompressed, hex. */
  publicKey: string;
  /** SHA-256 of the TLS certificate's SubjectPublicKeyInfo. */
  tlsKeyHash: string;
  /** Key configuration of RFC 9458 for sealed requests, hex. */
  hpkeConfig: string;
  /** SHA-256 of {@link EnclaveIdentity.hpkeConfig}. */
  hpkeKeyHash: string;
}

/** What the host may choose in an admission; all else is the enclave's own. */
export interface AdmissionTerms extends Pick<Admission, "leaseUntil" | "sequence" | "epoch"> {
  /** See `challengeNonce`. */
  nonce: string;
}

/** An admission, and the evidence for it, as the enclave made them. */
export interface AttestedAdmission {
  admission: Admission;
  evidence: Uint8Array;
  enclaveSignature: string;
}

/** A model as it was handed in; the enclave checks that the version's id covers all of it. */
export interface VersionedModel {
  version: ModelVersion;
  model: Model;
}

/** An executed task. */
export interface CompletedTask {
  /** Names of the outputs in the order of the graph. */
  outputs: NamedTensors;
  signed: SignedResult;
}

/** The first steps of a task that is run step by step, signed as a result of its own. */
export interface SignedPrefix {
  /** How many there are so far. */
  steps: number;
  /** Of the steps since the last prefix; nothing of the first one, which is of no steps. */
  outputs: NamedTensors;
  /** Over all steps so far. */
  signed: SignedResult;
}

/** What holds a node's keys and runs its tasks: it gives no private key away, and signs only what it made itself. */
export interface Enclave {
  readonly identity: EnclaveIdentity;
  /** Runs begun since the enclave started. */
  readonly executions: number;

  /** Answers a challenge with fresh evidence, and signs an admission of its own keys under it. */
  attestAdmission(terms: AdmissionTerms): Promise<AttestedAdmission>;

  /**
   * Checks that a request is what its task names, without running it.
   *
   * @throws OpgError `invalid_tensor`, `task_request_mismatch`, `unknown_model` or `model_bytes_mismatch`
   */
  checkRequest(request: ReleasedRequest, model: VersionedModel): void;

  /**
   * Checks a request as {@link Enclave.checkRequest} does, runs it once, and signs the result.
   *
   * @throws OpgError also `charge_exceeds_ceiling`, `execution_failed`, `rate_limited`, or `timeout` past the deadline
   */
  run(request: ReleasedRequest, model: VersionedModel): Promise<CompletedTask>;

  /**
   * Runs a model that is run step by step, each step when it is asked for, and signs what there is: first the empty
   * response, then, as signing takes longer than many a step, all steps of the last 25 ms at once.
   *
   * @throws OpgError as {@link Enclave.run}
   */
  stream(request: ReleasedRequest, model: VersionedModel): AsyncGenerator<SignedPrefix, void>;
}
