import type { Socket } from "node:net";
import { encodeBase64 } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import type { ModelVersion } from "#protocol/model.ts";
import type { SealedRequestJson, SealingKey } from "#protocol/sealedRequest.ts";
import type { AdmissionTerms, AttestedAdmission, EnclaveIdentity } from "./enclave/enclave.ts";
import { type Handlers, MessageChannel } from "./enclave/messageChannel.ts";
import {
  enclaveRequests,
  hostRequests,
  MAX_ENCLAVE_FRAME_BYTES,
  MAX_HOST_FRAME_BYTES,
  PIECE_BYTES,
  type StartOptions,
} from "./enclave/messages.ts";

/** What a host does for its enclave. */
export type HostHandlers = Handlers<typeof enclaveRequests>;

type HostChannel = MessageChannel<typeof hostRequests, typeof enclaveRequests>;

interface Serving {
  handlers?: HostHandlers;
}

/** The enclave as its host sees it: messages over a socket, and nothing else. */
export class RemoteEnclave {
  readonly identity: EnclaveIdentity;
  readonly #channel: HostChannel;

  readonly #serving: Serving;

  private constructor(identity: EnclaveIdentity, channel: HostChannel, serving: Serving) {
    this.identity = identity;
    this.#channel = channel;
    this.#serving = serving;
  }

  /** Binds a new enclave to what it is for, and has it serve. @throws OpgError `node_unavailable`, `configuration` */
  static async start(socket: Socket, options: StartOptions): Promise<RemoteEnclave> {
    const serving: Serving = {};
    const handlers = () => {
      if (serving.handlers) return serving.handlers;
      throw new OpgError("node_unavailable", "The node is starting; try again in a moment.");
    };
    const limits = { maxBytes: MAX_ENCLAVE_FRAME_BYTES, maxSentBytes: MAX_HOST_FRAME_BYTES };
    const spoken = { asked: hostRequests, answered: enclaveRequests, handlers, ...limits };
    const channel = new MessageChannel(socket, spoken);
    return new RemoteEnclave(await channel.ask("start", options), channel, serving);
  }

  /** Answers what the enclave asks from now on. */
  serve(handlers: HostHandlers): void {
    this.#serving.handlers = handlers;
  }

  /** Has fresh evidence made for a challenge, and an admission signed under it. */
  async attestAdmission({ epoch, ...terms }: AdmissionTerms): Promise<AttestedAdmission> {
    return this.#channel.ask("attest", { ...terms, epoch: Number(epoch) });
  }

  /**
   * Has a version run from now on.
   *
   * @param fetchBytes - its file, asked for where the enclave does not have it, and no longer than there is room
   * @throws OpgError `invalid_model`, `model_bytes_mismatch`, `blob_too_large`
   */
  async load(version: ModelVersion, fetchBytes: (maxBytes: number) => Promise<Uint8Array>): Promise<void> {
    const { isRunnable, roomBytes } = await this.#add(version);
    if (isRunnable) return;
    const bytes = await fetchBytes(roomBytes);
    for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
      const piece = bytes.subarray(offset, offset + PIECE_BYTES);
      const { contentDigest: digest } = version;
      await this.#channel.ask("piece", { digest, totalBytes: bytes.length, offset, piece });
    }
    // A file of no bytes has no piece that could be refused.
    if (!(await this.#add(version)).isRunnable)
      throw new OpgError("invalid_model", "The file is no model; publish another one.");
  }

  /** Has a running task's request sealed to a verifier. @throws OpgError `unknown_task`, `invalid_signature` */
  async seal(taskId: string, sealingKey: SealingKey): Promise<SealedRequestJson> {
    const { ciphertext, ...sealed } = await this.#channel.ask("seal", { taskId, sealingKey });
    return { ...sealed, ciphertext: encodeBase64(ciphertext) };
  }

  /** Runs begun since it started. */
  async executions(): Promise<number> {
    return (await this.#channel.ask("status", {})).executions;
  }

  /** Its own metrics, in Prometheus' text format. */
  async metrics(): Promise<string> {
    return (await this.#channel.ask("metrics", {})).metrics;
  }

  /** Has it end what runs and take nothing on any more. */
  async drain(seconds: number): Promise<void> {
    await this.#channel.ask("drain", { seconds });
  }

  #add({ meter, ...version }: ModelVersion): Promise<{ isRunnable: boolean; roomBytes: number }> {
    const { modelId, contentDigest, storageId, format, profile } = version;
    const { base, perInputByte, perOutputByte } = meter;
    return this.#channel.ask("version", {
      ...{ modelId, contentDigest, storageId, format, profile },
      meter: { base: `${base}`, perInputByte: `${perInputByte}`, perOutputByte: `${perOutputByte}` },
    });
  }
}
