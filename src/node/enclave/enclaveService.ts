import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { collectDefaultMetrics } from "prom-client";
import type { Platform } from "#attestation/evidence.ts";
import type { Executor } from "#execution/executor.ts";
import { OpgError } from "#protocol/errors.ts";
import { type SealingKey, sealingInfo, sealingKeyTypedData } from "#protocol/sealedRequest.ts";
import { isSignedBy } from "#protocol/signedDocument.ts";
import type { Clock } from "#service/clock.ts";
import { type HttpServer, startSocketServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { Operations } from "#service/operations.ts";
import { seal } from "#service/sealing.ts";
import { createEnclave, type EnclaveDomains } from "./createEnclave.ts";
import type { Enclave } from "./enclave.ts";
import { createEnclaveApp } from "./enclaveApp.ts";
import { EnclaveTasks } from "./enclaveTasks.ts";
import { HeldModels } from "./heldModels.ts";
import { type EnclaveChannel, hostCalls } from "./hostCalls.ts";
import type { EnclaveKeys } from "./makeKeys.ts";
import { type Handlers, MessageChannel } from "./messageChannel.ts";
import {
  enclaveRequests,
  hostRequests,
  MAX_ENCLAVE_FRAME_BYTES,
  MAX_HOST_FRAME_BYTES,
  type StartOptions,
} from "./messages.ts";

/** What an enclave's service works with. */
export interface EnclaveServiceDependencies {
  platform: Platform;
  executor: Executor;
  clock: Clock;
  makeKeys: (now: number) => Promise<EnclaveKeys>;
  /** Where TLS connections come in: a path of a Unix socket. */
  connections: string;
  /** Told when the host that started the enclave is gone. */
  onHostGone: () => void;
}

/** What there is once the enclave is started. */
interface Started {
  options: StartOptions;
  domains: EnclaveDomains;
  enclave: Enclave;
  tasks: EnclaveTasks;
  server: Pick<HttpServer, "close">;
}

/** An enclave behind its message interface. The first to start it is its host; what it is bound to then never changes. */
export class EnclaveService {
  readonly #dependencies: EnclaveServiceDependencies;
  readonly #models = new HeldModels();
  readonly #operations = new Operations();
  /** Verifiers' own, by their addresses. */
  readonly #sealingKeys = new Map<string, string>();
  #starting: Promise<Started> | undefined;

  constructor(dependencies: EnclaveServiceDependencies) {
    this.#dependencies = dependencies;
    const { registry } = this.#operations;
    collectDefaultMetrics({ register: registry, prefix: "enclave_" });
  }

  get isStarted(): boolean {
    return this.#starting !== undefined;
  }

  /** Speaks to whoever has connected. */
  accept(socket: Socket): void {
    const handlers = this.#handlers((options) => this.#claim(options, channel));
    const channel: EnclaveChannel = new MessageChannel(socket, {
      asked: enclaveRequests,
      answered: hostRequests,
      handlers: () => handlers,
      maxBytes: MAX_HOST_FRAME_BYTES,
      maxSentBytes: MAX_ENCLAVE_FRAME_BYTES,
    });
  }

  #handlers(claim: (options: StartOptions) => Promise<Started>): Handlers<typeof hostRequests> {
    return {
      start: async (options) => (await claim(options)).enclave.identity,
      attest: async (terms) => {
        const { enclave } = await this.#started();
        const { admission, ...attested } = await enclave.attestAdmission(terms);
        return { ...attested, admission: { ...admission, epoch: Number(admission.epoch) } };
      },
      version: async (version) => ({ isRunnable: this.#models.add(version), roomBytes: this.#models.roomBytes }),
      piece: async (piece) => {
        this.#models.take(piece);
        return {};
      },
      seal: async ({ taskId, sealingKey }) => this.#seal(taskId, sealingKey),
      status: async () => ({ executions: (await this.#started()).enclave.executions }),
      metrics: async () => ({ metrics: await this.#operations.registry.metrics() }),
      drain: async ({ seconds }) => {
        await this.#drain(seconds);
        return {};
      },
    };
  }

  #claim(options: StartOptions, channel: EnclaveChannel): Promise<Started> {
    if (this.#starting) {
      throw new OpgError("configuration", "The enclave was started already, and what it is bound to does not change.");
    }
    void channel.closed.then(() => this.#dependencies.onHostGone());
    this.#starting = this.#start(options, channel);
    return this.#starting;
  }

  async #start(options: StartOptions, channel: EnclaveChannel): Promise<Started> {
    const { clock, makeKeys, connections } = this.#dependencies;
    const { operator, payout, verifiers, settleWindowSeconds } = options;
    const keys = await makeKeys(clock());
    const domains = domainsOf(options);
    const enclave = createEnclave({ ...this.#dependencies, operator, payout, domains, verifiers }, keys);
    const host = hostCalls(channel);
    const { taskEscrow } = domains;
    const tasks = new EnclaveTasks({ enclave, models: this.#models, host, taskEscrow, settleWindowSeconds, clock });
    // What a log says can hold what must not leave: the host logs what it is told.
    const logger = createLogger("enclave", "silent");
    const app = createEnclaveApp({ tasks, host, operations: this.#operations, logger });
    const server = await startSocketServer(app, { path: connections, tls: keys.tls });
    return { options, domains, enclave, tasks, server };
  }

  #started(): Promise<Started> {
    if (this.#starting) return this.#starting;
    throw new OpgError("node_unavailable", "The enclave is not started yet.");
  }

  async #seal(taskId: string, sealingKey: SealingKey) {
    const { domains, tasks } = await this.#started();
    const { verifier, key } = sealingKey;
    await this.#checkSealingKey(sealingKey);
    const context = { info: sealingInfo(domains.settlement.chainId, verifier), aad: taskId };
    return { taskId, key, ...(await seal(key, tasks.requestBytes(taskId), context)) };
  }

  /** A key is checked once: to recover a signer takes longer than to seal. */
  async #checkSealingKey(sealingKey: SealingKey): Promise<void> {
    const { options, domains } = await this.#started();
    const { verifier, key, signature } = sealingKey;
    if (this.#sealingKeys.get(verifier) === key) return;
    const document = sealingKeyTypedData(sealingKey, domains.settlement);
    if (!options.verifiers.includes(verifier) || !isSignedBy(verifier, document, signature)) {
      const message = "The key is not signed by a verifier that this enclave was started with.";
      throw new OpgError("invalid_signature", message, { verifier });
    }
    this.#sealingKeys.set(verifier, key);
  }

  /** Everything that runs is given its end; what has not ended in time is left. */
  async #drain(seconds: number): Promise<void> {
    const { tasks, server } = await this.#started();
    this.#operations.readiness.drain();
    tasks.endStreams();
    const ended = server.close(seconds).then(() => tasks.drain());
    await Promise.race([ended, sleep(seconds * 1000, undefined, { ref: false })]);
  }
}

function domainsOf({ chainId, contracts }: StartOptions): EnclaveDomains {
  const domainAt = (verifyingContract: string) => ({ chainId: BigInt(chainId), verifyingContract });
  const { taskEscrow, settlement, nodeRegistry } = contracts;
  return {
    taskEscrow: domainAt(taskEscrow),
    settlement: domainAt(settlement),
    nodeRegistry: domainAt(nodeRegistry),
  };
}
