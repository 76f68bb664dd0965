import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEther } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import { connectChain } from "#chain/provider.ts";
import { submitCall } from "#chain/submitCall.ts";
import { createClient, type Client } from "#client/index.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { readLine } from "#execution/line/readLine.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import type { Trail } from "#protocol/settlement.ts";
import { awaitTrail } from "#tasks/awaitTrail.ts";
import { trailText } from "#tasks/trailText.ts";
import type { LocalNetwork } from "./network/localNetwork.ts";
import { awaitNodes, publishDemonstration, startAll } from "./network/readiness.ts";
import type { StartOptions } from "./readOptions.ts";

const PICTURE = new URL("../examples/line/line.png", import.meta.url);
const ENDING_SECONDS = 60;
const THIRD_REFUSAL_POLLS = 20;
const POLL_MS = 250;

/** How a task ended, and what the payer's own client read in the answer; nothing where it was refused. */
interface Outcome {
  trail: Trail;
  text?: string;
}

/** Starts the daemons, pays for one inference or two, and prints what became of them. */
export async function demonstrate(
  local: LocalNetwork,
  options: StartOptions,
  progress: (line: string) => void,
): Promise<void> {
  const { dishonestNode, json } = options;
  const nodes = dishonestNode ? (["node-1"] as const) : (["node-1", "node-2"] as const);
  progress(`hub, facilitator, gateway, three verifiers, ${nodes.length} node${nodes.length === 1 ? "" : "s"}`);
  const [versionId] = await Promise.all([
    local.start("hub").then(() => publishDemonstration(local)),
    startAll(local, ["facilitator", "gateway", "verifier-1", "verifier-2", "verifier-3", ...nodes]),
    fundPayer(local.network),
  ]);
  progress("the model is published; verifiers admit the nodes");
  await awaitNodes(local, versionId, nodes.length);

  const { network } = local;
  const client = createClient({ gateway: network.gateway, signer: localAccount("payer"), network });
  if (!dishonestNode) {
    progress("one paid request");
    return print(await pay(client, versionId), json);
  }
  progress("one paid request, to a node that alters what it computes");
  print(await payInVain(client, versionId), json);
  if (json) return;
  progress("the same request, to an honest node");
  await local.daemons.get("node-1")?.stop();
  await local.start("node-2");
  await awaitNodes(local, versionId, 1);
  print(await pay(client, versionId), json);
}

async function pay(client: Client, model: string): Promise<Outcome> {
  const { taskId, outputs } = await client.infer({ model, inputs: { x: lineImage(await readFile(PICTURE)) } });
  const trail = await awaitTrail(() => client.trail(taskId), ENDING_SECONDS);
  return { trail, text: (await readLine(outputs)).text };
}

/** Pays, expects to be refused an answer, and waits for the refund. */
async function payInVain(client: Client, model: string): Promise<Outcome> {
  const refusal = await pay(client, model).then(
    () => new OpgError("internal", "The altered result was certified: the verifiers did not do their work."),
    (error: unknown) => error,
  );
  if (!(refusal instanceof OpgError) || refusal.code !== "result_refused") throw refusal;
  const taskId = String(refusal.values["taskId"]);
  let trail = await awaitTrail(() => client.trail(taskId), ENDING_SECONDS);
  // Two refusals end the task; the third arrives in its own time.
  for (let polls = 0; polls < THIRD_REFUSAL_POLLS && trail.verdicts.length < 3; polls++) {
    await sleep(POLL_MS);
    trail = await client.trail(taskId);
  }
  return { trail };
}

function print({ trail, text }: Outcome, json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify({ ...trail, ...(text ? { output: text } : {}) })}\n`);
  const said = text === undefined ? "No answer: the result was refused." : `The picture reads: ${text}`;
  process.stdout.write(`\n${said}\n\n${trailText(trail)}\n`);
}

/** Gives the payer OPG out of the first supply, and lets Permit2 move it; both once. */
async function fundPayer({ rpcUrl, chainId, contracts }: Network): Promise<void> {
  const provider = await connectChain(rpcUrl, chainId);
  try {
    const opg = new OpgAdapter(contracts.opg, provider);
    const payer = localAccount("payer").connect(provider);
    const enough = parseEther("100");
    if ((await opg.balanceOf(payer.address)) < enough) {
      await submitCall(localAccount("faucet").connect(provider), opg.populateTransfer(payer.address, enough));
    }
    if ((await opg.allowanceToPermit2(payer.address)) === 0n) await submitCall(payer, opg.populateApprovePermit2());
  } finally {
    provider.destroy();
  }
}
