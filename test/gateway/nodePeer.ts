import type { Wallet } from "ethers";
import { OpgError } from "#protocol/errors.ts";
import {
  type AnsweredTaskJson,
  type NodeInfo,
  type ReleasedRequest,
  releasedRequestJson,
  type StreamStepJson,
} from "#protocol/messages.ts";
import { meterCharge, streamCharge } from "#protocol/meter.ts";
import {
  responseDigest,
  type Result,
  resultHashOf,
  resultToJson,
  resultTypedData,
  type SignedResult,
} from "#protocol/result.ts";
import { policies } from "#protocol/task.ts";
import {
  type NamedTensors,
  type Tensor,
  tensorBytes,
  tensorsDigest,
  tensorsFromJson,
  tensorsToJson,
} from "#protocol/tensors.ts";
import { type SignedVerdict, verdictTypedData } from "#protocol/verdict.ts";
import { type EnclaveKeys, makeKeys } from "#node/enclave/makeKeys.ts";
import type { SignedPrefix } from "#node/enclave/enclave.ts";
import { handOutPrefixes, type PrefixReader } from "#node/enclave/handOutPrefixes.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { acceptsEvents, sendEvents } from "#service/sendEvents.ts";
import { float32, summed, summingOutputs } from "#test/execution/summingModel.ts";
import { type NetworkFixture, sign } from "#test/contracts/fixture.ts";
import { double, doublingTerms } from "./doublingModel.ts";
import type { FacilitatorPeer } from "./facilitatorPeer.ts";

/**
 * The other end of the gateway's calls to a node: admitted in the test chain's registry with the TLS key that it really
 * holds, doubles or sums, has two verifiers agree, and settles on the test chain.
 */
export async function startNodePeer(fixture: NetworkFixture, facilitator: FacilitatorPeer) {
  const keys = await makeKeys(await fixture.now());
  const operator = fixture.wallets.operator.address;
  const answers = new Map<string, Promise<AnsweredTaskJson>>();
  const peer = {
    address: keys.signer.address,
    versions: [] as string[],
    calls: 0,
    /** What it says is paid for its work; the registry knows it as the operator. */
    payout: operator,
    /** Tasks computed. */
    executions: 0,
    failure: undefined as OpgError | undefined,
    /** Answers nothing but that it is about to end. */
    isGone: false,
    /** Calls of `GET /info`. */
    looks: 0,
    /** The next answers wait for this. */
    gate: Promise.resolve(),
    /** Each step of a stream waits for this, by its number. */
    stepGate: (() => Promise.resolve()) as (step: number) => Promise<unknown>,
    /** Changes a step after it was signed. */
    tamper: (step: StreamStepJson): StreamStepJson => step,
    /** Calls to end a stream. */
    ends: 0,
  };
  const answering = { fixture, facilitator, signer: keys.signer, peer };
  const streams = new Map<string, { answer: Promise<AnsweredTaskJson>; stop: AbortController }>();
  const beginStream = (request: ReleasedRequest, reader: PrefixReader, isStopped = false) => {
    const { taskId } = request.release;
    const known = streams.get(taskId);
    if (known) return known;
    const stop = new AbortController();
    if (isStopped) stop.abort();
    peer.executions += 1;
    const prefixes = sumPrefixes(answering, request, (step) => peer.stepGate(step));
    const handing = { outputs: summingOutputs, stop: stop.signal };
    const answer = handOutPrefixes(prefixes, reader, handing).then(({ outputs, signed }) =>
      certify(answering, request, outputs, signed),
    );
    const begun = { answer, stop };
    streams.set(taskId, begun);
    return begun;
  };

  const requireThere = (): void => {
    if (peer.isGone) throw new OpgError("draining", "It is about to end.");
  };
  const app = createApp(createLogger("node", "silent"), 8 * 1024 * 1024);
  app.get("/info", (context) => {
    peer.looks += 1;
    requireThere();
    const info: NodeInfo = {
      node: peer.address,
      operator,
      payout: peer.payout,
      hpkeConfig: keys.identity.hpkeConfig,
      versions: peer.versions,
      executions: peer.executions,
    };
    return context.json(info);
  });
  app.post("/tasks", async (context) => {
    requireThere();
    peer.calls += 1;
    const request = await readBody(context, releasedRequestJson);
    await peer.gate;
    if (peer.failure) throw peer.failure;
    if (acceptsEvents(context)) {
      return sendEvents(context, 10, async ({ send, signal }) => {
        const take = ({ steps, outputs, signed }: SignedPrefix): Promise<void> => {
          const result = { result: resultToJson(signed.result), nodeSignature: signed.nodeSignature };
          return send("step", peer.tamper({ steps, outputs: tensorsToJson(outputs), ...result }));
        };
        await send("answer", await beginStream(request, { take, signal }).answer);
      });
    }
    const { taskId } = request.release;
    const running = streams.get(taskId)?.answer ?? answers.get(taskId);
    if (running) return context.json(await running);
    peer.executions += 1;
    const answer = answerTask(answering, request);
    answers.set(taskId, answer);
    return context.json(await answer);
  });
  app.post("/tasks/:taskId/end", async (context) => {
    peer.ends += 1;
    const nobody = { take: () => Promise.resolve(), signal: AbortSignal.abort() };
    const { answer, stop } = beginStream(await readBody(context, releasedRequestJson), nobody, true);
    stop.abort();
    return context.json(await answer);
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0, tls: keys.tls });
  await admit(fixture, keys, server.url);
  return Object.assign(peer, { url: server.url, stop: () => server.close(0) });
}

export type NodePeer = Awaited<ReturnType<typeof startNodePeer>>;

async function admit(fixture: NetworkFixture, { signer, identity }: EnclaveKeys, url: string): Promise<void> {
  const { node, tlsKeyHash, hpkeKeyHash } = identity;
  const admission = await fixture.makeAdmission({ node, tlsKeyHash, hpkeKeyHash });
  const { enclaveSignature, certificate } = await fixture.signAdmission(admission, { enclave: signer });
  await fixture.nodeRegistry.admit(admission, enclaveSignature, certificate);
  await fixture.nodeRegistry.connect(fixture.wallets.operator).announce(node, url);
}

interface Answering {
  fixture: NetworkFixture;
  facilitator: FacilitatorPeer;
  signer: Wallet;
  peer: { payout: string };
}

/** Doubles, or sums all steps at once. */
async function answerTask(answering: Answering, request: ReleasedRequest): Promise<AnsweredTaskJson> {
  const given = tensorsFromJson(request.inputs);
  const outputs = given["sum"] ? summed(given["x"]?.shape[0] ?? 0) : double(given);
  const amount = meterCharge(doublingTerms.meter, tensorBytes(given), tensorBytes(outputs));
  const signed = await signOutputs(answering, request, outputs, amount);
  return certify(answering, request, outputs, signed);
}

/** What the summing model gives step by step. */
async function* sumPrefixes(
  answering: Answering,
  request: ReleasedRequest,
  gate: (step: number) => Promise<unknown>,
): AsyncGenerator<SignedPrefix> {
  const given = tensorsFromJson(request.inputs);
  const count = given["x"]?.shape[0] ?? 0;
  for (let steps = 0; steps <= count; steps++) {
    if (steps > 0) await gate(steps);
    const whole = summed(steps);
    const amount = streamCharge(doublingTerms.meter, tensorBytes(given), tensorBytes(whole), steps);
    const signed = await signOutputs(answering, request, whole, amount);
    const { scaled } = whole;
    const outputs = steps === 0 || !scaled ? whole : { scaled: float32([1, 2], [...lastPair(scaled)]) };
    yield { steps, outputs, signed };
  }
}

function lastPair({ data }: Tensor): Float32Array {
  return new Float32Array(data.slice(-8).buffer);
}

async function signOutputs(
  { fixture, signer, peer }: Answering,
  { release, salt }: ReleasedRequest,
  outputs: NamedTensors,
  amount: bigint,
): Promise<SignedResult> {
  const result: Result = {
    taskId: release.taskId,
    response: responseDigest(salt, tensorsDigest(Object.keys(outputs), outputs)),
    payout: peer.payout,
    amount,
    completedAt: await fixture.now(),
  };
  return { result, nodeSignature: await sign(signer, resultTypedData(result, fixture.domainOf("settlement"))) };
}

async function certify(
  { fixture, facilitator }: Answering,
  { task }: ReleasedRequest,
  outputs: NamedTensors,
  { result, nodeSignature }: SignedResult,
): Promise<AnsweredTaskJson> {
  const verdicts = await verdictsOf(fixture, result);
  const transaction = await facilitator.settle(task, { result, nodeSignature, verdicts });
  return { outputs: tensorsToJson(outputs), result: resultToJson(result), nodeSignature, verdicts, transaction };
}

function verdictsOf({ wallets, domainOf }: NetworkFixture, result: Result): Promise<SignedVerdict[]> {
  const settlement = domainOf("settlement");
  const verdict = { resultHash: resultHashOf(result, settlement), mode: policies.reExecution, agrees: true };
  return Promise.all(
    wallets.verifiers.slice(0, 2).map(async (verifier) => ({
      ...verdict,
      epoch: 1,
      verifier: verifier.address,
      signature: await sign(verifier, verdictTypedData({ ...verdict, epoch: 1n }, settlement)),
      opening: { response: result.response, salt: result.response },
    })),
  );
}
