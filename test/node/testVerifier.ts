import { hexlify, randomBytes, type Wallet } from "ethers";
import type { Context } from "hono";
import { checkEvidence } from "#attestation/checkEvidence.ts";
import type { Executor } from "#execution/executor.ts";
import { type Model, tensorOrder } from "#execution/inspectModel.ts";
import { admissionRequestJson, admissionTypedData, challengeNonce, identityBinding } from "#protocol/admission.ts";
import { type WitnessedCertificate, witnessedCertificateJson } from "#protocol/messages.ts";
import { domainIn, type Network } from "#protocol/network.ts";
import { responseDigest, resultHashOf, signedResultJson } from "#protocol/result.ts";
import { sealedRequestJson } from "#protocol/sealedRequest.ts";
import { policies, taskIdOf } from "#protocol/task.ts";
import { tensorsDigest, tensorsFromJson } from "#protocol/tensors.ts";
import { commitmentOf, commitmentTypedData, refusalTypedData, verdictTypedData } from "#protocol/verdict.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { SealedRequests } from "#verifier/sealedRequests.ts";

type TypedData = Pick<ReturnType<typeof verdictTypedData>, "domain" | "types"> & { value: object };

/** What a verifier of a test is made of; the network is known only once all verifiers listen. */
export interface TestVerifierOptions {
  wallet: Wallet;
  executor: Executor;
  model: Model;
  clock: () => number;
  network: () => Network;
  /** Hash of the block with a number. */
  blockHash: (blockNumber: number) => Promise<string>;
}

/** Signs with a verifier's own key what a verifier signs, after repeating what it repeats. */
export class TestVerifier {
  url = "";
  /** Routes called, in order. */
  readonly calls: string[] = [];
  readonly witnessed: WitnessedCertificate[] = [];
  /** Changes what it sends, after it was signed. */
  tamper: (route: string, answer: object) => object = (_route, answer) => answer;
  readonly #options: TestVerifierOptions;
  readonly #opened = new Map<string, { response: string; salt: string }>();
  /** Made with the first question after each start. */
  #sealed: SealedRequests | undefined;
  readonly #challenge = hexlify(randomBytes(32));
  #close: () => Promise<void> = () => Promise.resolve();

  constructor(options: TestVerifierOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#options.wallet.address;
  }

  /** Listens, on the same port as before when it had stopped. */
  async start(): Promise<void> {
    const app = createApp(createLogger("verifier", "silent"), 1_000_000);
    const route = (path: string, answer: (context: Context) => Promise<object>) =>
      app.post(path, async (context) => {
        this.calls.push(path);
        return context.json(this.tamper(path, await answer(context)));
      });
    this.#sealed = undefined;
    app.get("/sealing-key", async (context) => context.json(await this.#sealedRequests().key()));
    route("/admissions/challenges", async () => ({ verifier: this.address, challenge: this.#challenge }));
    route("/admissions", (context) => this.#admit(context));
    route("/tasks", (context) => this.#commit(context));
    route("/tasks/:taskId/result", (context) => this.#judge(context));
    route("/tasks/:taskId/certificate", async (context) => {
      this.witnessed.push(await readBody(context, witnessedCertificateJson));
      return { recorded: true };
    });
    const server = await startHttpServer(app, { host: "127.0.0.1", port: Number(this.url && new URL(this.url).port) });
    this.url = server.url;
    this.#close = () => server.close(0);
  }

  async stop(): Promise<void> {
    await this.#close();
  }

  #sealedRequests(): SealedRequests {
    const { wallet, network } = this.#options;
    return (this.#sealed ??= new SealedRequests(wallet, domainIn(network(), "settlement")));
  }

  #sign({ domain, types, value }: TypedData): Promise<string> {
    return this.#options.wallet.signTypedData(domain, types, { ...value });
  }

  async #admit(context: Context): Promise<object> {
    const { network, blockHash, clock } = this.#options;
    const nodeRegistry = domainIn(network(), "nodeRegistry");
    const { admission, evidence, blockNumber, challenges } = await readBody(context, admissionRequestJson);
    await checkEvidence(Buffer.from(evidence, "base64"), {
      nonce: challengeNonce(nodeRegistry, await blockHash(blockNumber), challenges),
      binding: identityBinding(
        admission,
        nodeRegistry,
        network().verifiers.map(({ address }) => address),
      ),
      node: admission.node,
      now: clock(),
      roots: network().parameters.evidenceRoots ?? {},
      approvedMeasurement: (measurement) => measurement === admission.measurement,
    });
    const signature = await this.#sign(admissionTypedData(admission, nodeRegistry));
    return { verifier: this.address, epoch: Number(admission.epoch), signature };
  }

  async #commit(context: Context): Promise<object> {
    const { network, model, executor, clock } = this.#options;
    const sealed = await readBody(context, sealedRequestJson);
    const { task, salt, inputs } = await this.#sealedRequests().open(sealed);
    const outputs = await executor.run(model, tensorsFromJson(inputs));
    const response = responseDigest(salt, tensorsDigest(tensorOrder(model.outputs), outputs));
    const opening = { response, salt: hexlify(randomBytes(32)) };
    const taskId = taskIdOf(task, domainIn(network(), "taskEscrow"));
    this.#opened.set(taskId, opening);
    const commitment = commitmentOf(response, this.address, opening.salt);
    const committed = { taskId, commitment, committedAt: clock() };
    const signature = await this.#sign(commitmentTypedData(committed, domainIn(network(), "settlement")));
    return { verifier: this.address, ...committed, signature };
  }

  async #judge(context: Context): Promise<object> {
    const settlement = domainIn(this.#options.network(), "settlement");
    const { result } = await readBody(context, signedResultJson);
    const opening = this.#opened.get(result.taskId);
    const agrees = opening?.response === result.response;
    const verdict = { resultHash: resultHashOf(result, settlement), epoch: 1n, mode: policies.reExecution, agrees };
    const signature = await this.#sign(verdictTypedData(verdict, settlement));
    const signed = { verifier: this.address, ...verdict, epoch: 1, signature, opening };
    if (agrees) return signed;
    const reason = "response_mismatch" as const;
    const reasonSignature = await this.#sign(refusalTypedData(verdict.resultHash, reason, settlement));
    return { ...signed, reason, reasonSignature };
  }
}
