import { readFile } from "node:fs/promises";
import { type AccountOptions, createClient, type Inference } from "#client/index.ts";
import { submitCall } from "#chain/submitCall.ts";
import { lineImage } from "#execution/line/lineImage.ts";
import { readLine } from "#execution/line/readLine.ts";
import { OpgError } from "#protocol/errors.ts";
import { type NamedTensors, namedTensorsJson, tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { LOCAL_CHAIN_ID, type OpenNetwork, ownWallet } from "./openNetwork.ts";
import { readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { trailText } from "./trailText.ts";
import { facilitatorIn } from "./accountKey.ts";
import { awaitTrail } from "./awaitTrail.ts";

interface Options {
  image: string;
  inputs: string;
  model: string;
  maxAmount: string;
  account: boolean;
  json: boolean;
}

/** `opg infer`: pays, checks the answer, and shows it with the story of the money. */
export default networkTask<Options>(async (opened, options) => {
  const inputs = await readInputs(options);
  const wallet = ownWallet(opened);
  const maxAmount = readOpg(options.maxAmount);
  const { gateway } = opened.network;
  const client = createClient({
    ...{ gateway, signer: wallet, network: opened.network, maxAmount },
    ...(options.account ? { account: await accountOptions(opened, wallet.address) } : {}),
  });
  if (!options.account) await allowPermit2(opened, wallet);
  const inference = await client.infer({ model: options.model, inputs });
  const output = await readOutput(options, inference);
  const trail = await awaitTrail(() => client.trail(inference.taskId), opened.network.parameters.maxTaskSeconds);
  if (options.json) return print(JSON.stringify({ ...trail, output }));
  print(typeof output === "string" ? `The line reads: ${output}` : JSON.stringify(output));
  print(trailText(trail));
});

/** A voucher reaches as far as the account: what is not settled yet counts as well, and this process knows nothing of it. */
async function accountOptions({ network, accounts }: OpenNetwork, payer: string): Promise<AccountOptions> {
  const facilitator = facilitatorIn(network, "");
  const { balance } = await accounts.accountOf({ payer, facilitator });
  if (balance > 0n) return { facilitator, maxAtStake: balance };
  const message = "Your account is empty; npx hardhat opg account deposit --amount 10 puts 10 OPG into it.";
  throw new OpgError("account_insufficient", message, { payer, facilitator });
}

async function readInputs({ image, inputs }: Options): Promise<NamedTensors> {
  if ((image === "") === (inputs === "")) {
    throw new OpgError(
      "invalid_body",
      "Give either --image with a picture of a line of text, or --inputs with a JSON file of tensors.",
    );
  }
  const file = await readFile(image || inputs).catch(() => {
    throw new OpgError("invalid_body", `There is no file ${image || inputs} that can be read.`);
  });
  if (image !== "") return { x: lineImage(file) };
  const parsed = namedTensorsJson.safeParse(parseFile(inputs, file));
  if (parsed.success) return tensorsFromJson(parsed.data);
  throw new OpgError(
    "invalid_tensor",
    `${inputs} does not hold named tensors: ${parsed.error.issues[0]?.message ?? "unreadable"}.`,
  );
}

function parseFile(name: string, file: Buffer): unknown {
  try {
    return JSON.parse(file.toString("utf8"));
  } catch {
    throw new OpgError("malformed_json", `${name} is not JSON; give an object of named tensors.`);
  }
}

async function readOutput({ image }: Options, { outputs, taskId }: Inference): Promise<unknown> {
  if (image === "") return tensorsToJson(outputs);
  try {
    return (await readLine(outputs)).text;
  } catch (error) {
    if (!(error instanceof OpgError)) throw error;
    throw new OpgError(error.code, `${error.message} The inference was run and paid: npx hardhat opg trace ${taskId}`, {
      taskId,
    });
  }
}

/** On a local chain the development account allows Permit2 by itself; elsewhere that is the owner's decision. */
async function allowPermit2({ network, opg }: OpenNetwork, wallet: ReturnType<typeof ownWallet>): Promise<void> {
  if (network.chainId !== LOCAL_CHAIN_ID || (await opg.allowanceToPermit2(wallet.address)) > 0n) return;
  await submitCall(wallet, opg.populateApprovePermit2());
}
