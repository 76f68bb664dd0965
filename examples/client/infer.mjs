// Pays for one inference: PAYER_KEY=0x... node examples/client/infer.mjs
import { createClient } from "@opg/client";
import { Wallet } from "ethers";

const client = createClient({
  gateway: process.env.GATEWAY ?? "http://127.0.0.1:8402",
  signer: new Wallet(process.env.PAYER_KEY),
  maxAmount: 10n ** 18n, // at most 1 OPG
});
// A black picture of a line of text: one line, three colours, 48 by 320 pixels.
const x = { dtype: "float32", shape: [1, 3, 48, 320], data: new Uint8Array(4 * 3 * 48 * 320) };

const { outputs, receipt, taskId } = await client.infer({ model: "ppocr-recogniser", inputs: { x } });
const { charge, state } = await client.trail(taskId);
console.log(outputs, `task ${taskId} by node ${receipt.task.node}: ${state}, ${charge} atomic units`);
