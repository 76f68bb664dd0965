import type { Wallet } from "ethers";
import type { OpgError } from "#protocol/errors.ts";
import { type AnsweredTaskJson, type NodeInfo, type ReleasedRequest, releasedRequestJson } from "#protocol/messages.ts";
import { meterCharge } from "#protocol/meter.ts";
import { responseDigest, type Result, resultHashOf, resultToJson, resultTypedData } from "#protocol/result.ts";
import { policies } from "#protocol/task.ts";
import { tensorBytes, tensorsDigest, tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { type SignedVerdict, verdictTypedData } from "#protocol/verdict.ts";
import { type EnclaveKeys, makeKeys } from "#node/enclave/makeKeys.ts";
import { createApp, readBody } from "#service/httpApp.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { type NetworkFixture, sign } from "#test/contracts/fixture.ts";
import { double, doublingTerms } from "./doublingModel.ts";
import type { FacilitatorPeer } from "./facilitatorPeer.ts";

/**
 * The other end of the gateway's calls to a node: admitted in the test chain's registry with the TLS key that it really
 * holds, doubles, has two verifiers agree, and settles on the test chain.
 */
export async function startNodePeer(fixture: NetworkFixture, facilitator: FacilitatorPeer) {
  const keys = await makeKeys(await fixture.now());
  const operator = fixture.wallets.operator.address;
  const answers = new Map<string, Promise<AnsweredTaskJson>>();
  const peer = {
    address: keys.signer.address,
    versions: [] as string[],
    calls: 0,
    /** Tasks computed. */
    executions: 0,
    failure: undefined as OpgError | undefined,
    /** The next answers wait for this. */
    gate: Promise.resolve(),
  };

  const app = createApp(createLogger("node", "silent"), 8 * 1024 * 1024);
  app.get("/info", (context) => {
    const info: NodeInfo = {
      node: peer.address,
      operator,
      payout: operator,
      versions: peer.versions,
      executions: peer.executions,
    };
    return context.json(info);
  });
  app.post("/tasks", async (context) => {
    peer.calls += 1;
    const request = await readBody(context, releasedRequestJson);
    await peer.gate;
    if (peer.failure) throw peer.failure;
    const { taskId } = request.release;
    if (!answers.has(taskId)) {
      peer.executions += 1;
      answers.set(taskId, answerTask(fixture, facilitator, keys.signer, request));
    }
    return context.json(await answers.get(taskId));
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

async function answerTask(
  fixture: NetworkFixture,
  facilitator: FacilitatorPeer,
  signer: Wallet,
  { task, salt, release, inputs }: ReleasedRequest,
): Promise<AnsweredTaskJson> {
  const given = tensorsFromJson(inputs);
  const outputs = double(given);
  const result: Result = {
    taskId: release.taskId,
    response: responseDigest(salt, tensorsDigest(["y"], outputs)),
    payout: fixture.wallets.operator.address,
    amount: meterCharge(doublingTerms.meter, tensorBytes(given), tensorBytes(outputs)),
    completedAt: await fixture.now(),
  };
  const nodeSignature = await sign(signer, resultTypedData(result, fixture.domainOf("settlement")));
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
