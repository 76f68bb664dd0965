import { sha256, type Wallet } from "ethers";
import type { Platform } from "#attestation/evidence.ts";
import { checkInputs } from "#execution/checkInputs.ts";
import type { Executor } from "#execution/executor.ts";
import { type Model, tensorOrder } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { runSteps, runTask } from "#execution/runSteps.ts";
import { type Admission, admissionTypedData, identityBinding } from "#protocol/admission.ts";
import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import { meterCharge, streamCharge } from "#protocol/meter.ts";
import { onnxFormat, versionIdOf } from "#protocol/model.ts";
import { requestDigest } from "#protocol/request.ts";
import { responseDigest, type Result, resultTypedData, type SignedResult } from "#protocol/result.ts";
import { joinSteps } from "#protocol/steps.ts";
import { type Task, taskIdOf } from "#protocol/task.ts";
import { type NamedTensors, tensorBytes, tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import type { Domain } from "#protocol/typedData.ts";
import type { Clock } from "#service/clock.ts";
import type {
  AdmissionTerms,
  AttestedAdmission,
  CompletedTask,
  Enclave,
  SignedPrefix,
  VersionedModel,
} from "./enclave.ts";
import type { EnclaveKeys } from "./makeKeys.ts";

/** A signature takes a few milliseconds, and a step may take less. */
const SIGN_EVERY_MS = 25;

/** What an enclave is started with; it is bound into the evidence and never changes. */
export interface EnclaveOptions {
  platform: Platform;
  executor: Executor;
  clock: Clock;
  operator: string;
  payout: string;
  domains: EnclaveDomains;
  /** Those whom requests may be sealed to. */
  verifiers: readonly string[];
}

/** Domains of what an enclave signs and checks. */
export interface EnclaveDomains {
  taskEscrow: Domain;
  settlement: Domain;
  nodeRegistry: Domain;
}

/** Makes an enclave of its keys, which it keeps in memory. */
export function createEnclave(options: EnclaveOptions, keys: EnclaveKeys): Enclave {
  return new KeyedEnclave(options, keys);
}

class KeyedEnclave implements Enclave {
  readonly identity: Enclave["identity"];
  readonly #options: EnclaveOptions;
  readonly #signer: Wallet;
  readonly #checkedModels = new WeakSet<VersionedModel>();
  #executions = 0;

  constructor(options: EnclaveOptions, keys: EnclaveKeys) {
    this.identity = keys.identity;
    this.#options = options;
    this.#signer = keys.signer;
  }

  get executions(): number {
    return this.#executions;
  }

  async attestAdmission({ nonce, ...terms }: AdmissionTerms): Promise<AttestedAdmission> {
    const { platform, operator, payout, domains, verifiers } = this.#options;
    const { node, publicKey, tlsKeyHash, hpkeKeyHash } = this.identity;
    const bound = { operator, payout, tlsKeyHash, hpkeKeyHash };
    const userData = identityBinding(bound, domains.nodeRegistry, verifiers);
    const evidence = await platform.attest({ publicKey, userData, nonce });
    const admission: Admission = {
      node,
      ...bound,
      measurement: platform.measurement,
      evidenceHash: sha256(evidence),
      ...terms,
    };
    const { domain, types, value } = admissionTypedData(admission, domains.nodeRegistry);
    return { admission, evidence, enclaveSignature: await this.#signer.signTypedData(domain, types, value) };
  }

  checkRequest(request: ReleasedRequest, model: VersionedModel): void {
    this.#readInputs(request, model);
  }

  async run(request: ReleasedRequest, versioned: VersionedModel): Promise<CompletedTask> {
    const { version, model } = versioned;
    const inputs = this.#readInputs(request, versioned);
    const { executor } = this.#options;
    this.#executions += 1;
    const outputs = await runTask(executor, model, inputs);
    const charge = meterCharge(version.meter, tensorBytes(inputs), tensorBytes(outputs));
    return { outputs, signed: await this.#sign(request, model, outputs, charge) };
  }

  async *stream(request: ReleasedRequest, { version, model }: VersionedModel): AsyncGenerator<SignedPrefix, void> {
    const inputs = this.#readInputs(request, { version, model });
    const sign = (steps: number, outputs: NamedTensors) => {
      const charge = streamCharge(version.meter, tensorBytes(inputs), tensorBytes(outputs), steps);
      return this.#sign(request, model, outputs, charge);
    };
    const count = checkInputs(model, inputs);
    const nothing = joinSteps(model.outputs, []);
    yield { steps: 0, outputs: nothing, signed: await sign(0, nothing) };
    this.#executions += 1;
    const given: NamedTensors[] = [];
    let parts: NamedTensors[] = [];
    let steps = 0;
    let signedMs = -Infinity;
    for await (const step of runSteps(this.#options.executor, model, inputs)) {
      parts.push(step);
      steps += 1;
      if (steps < count && performance.now() - signedMs < SIGN_EVERY_MS) continue;
      const outputs = joinSteps(model.outputs, parts);
      given.push(outputs);
      parts = [];
      const signed = await sign(steps, joinSteps(model.outputs, given));
      signedMs = performance.now();
      yield { steps, outputs, signed };
    }
  }

  async #sign(
    { task, salt }: ReleasedRequest,
    model: Model,
    outputs: NamedTensors,
    amount: bigint,
  ): Promise<SignedResult> {
    const { clock, payout, domains } = this.#options;
    const result: Result = {
      taskId: taskIdOf(task, domains.taskEscrow),
      response: responseDigest(salt, tensorsDigest(tensorOrder(model.outputs), outputs)),
      payout,
      amount,
      completedAt: clock(),
    };
    checkResult(task, result);
    const { domain, types, value } = resultTypedData(result, domains.settlement);
    return { result, nodeSignature: await this.#signer.signTypedData(domain, types, value) };
  }

  #readInputs({ task, salt, inputs: inputsJson }: ReleasedRequest, versioned: VersionedModel): NamedTensors {
    this.#checkModel(task, versioned);
    const inputs = tensorsFromJson(inputsJson);
    checkInputs(versioned.model, inputs);
    const order = tensorOrder(versioned.model.inputs);
    if (requestDigest(salt, task.model, tensorsDigest(order, inputs)) !== task.request) {
      const message = "Inputs and salt are not those that the task names; send what was paid for.";
      throw new OpgError("task_request_mismatch", message, { request: task.request });
    }
    return inputs;
  }

  /** The version's id covers price, profile and content, so the host can hand in no other. */
  #checkModel({ model: versionId }: Task, versioned: VersionedModel): void {
    const { version, model } = versioned;
    if (versionIdOf(version) !== versionId || version.format !== onnxFormat || version.profile !== profileDigest) {
      throw new OpgError("unknown_model", "The task's version is not one that is executed here.", { versionId });
    }
    if (this.#checkedModels.has(versioned)) return;
    const digest = sha256(model.bytes);
    if (digest !== version.contentDigest) {
      const message = "The model's bytes do not hash to the version's digest; they were not run.";
      throw new OpgError("model_bytes_mismatch", message, { digest, expected: version.contentDigest });
    }
    this.#checkedModels.add(versioned);
  }
}

function checkResult({ maxAmount, deadline }: Task, { amount, completedAt }: Result): void {
  if (amount > maxAmount) {
    const message = `The charge would be ${amount}, above the task's ceiling of ${maxAmount}; pay for a higher ceiling.`;
    throw new OpgError("charge_exceeds_ceiling", message, { charge: amount, maxAmount });
  }
  if (completedAt > deadline) {
    const message = "The result came after the task's deadline and cannot be paid; the payment is refunded.";
    throw new OpgError("timeout", message, { deadline, completedAt });
  }
}
