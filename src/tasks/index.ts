import { emptyTask, task } from "hardhat/config";
import { ArgumentType } from "hardhat/types/arguments";
import type { TaskDefinition } from "hardhat/types/tasks";

/** Everything a person does with a network: `npx hardhat opg --help`. */
export const opgTasks: TaskDefinition[] = [
  emptyTask("opg", "Use, run and look into an OPG network").build(),

  task(["opg", "deploy"], "Deploy the contracts to --network, or say what is deployed there already")
    .addFlag({ name: "verify", description: "Verify the sources at the chain's explorer" })
    .setAction(() => import("./deploy.ts"))
    .build(),

  task(["opg", "up"], "Start daemons of a deployed network and keep them running")
    .addOption({
      name: "roles",
      description: "Which: hub, facilitator, gateway, node, verifier; keys come from environment variables",
      defaultValue: "hub,facilitator,gateway,verifier,node",
    })
    .addOption({ name: "host", description: "Address to listen on and to announce", defaultValue: "127.0.0.1" })
    .setAction(() => import("./up.ts"))
    .build(),

  task(["opg", "faucet"], "Give an account OPG and ether on a local chain")
    .addPositionalArgument({ name: "address", description: "Who gets it" })
    .addOption({ name: "amount", description: "How many OPG", defaultValue: "100" })
    .setAction(() => import("./faucet.ts"))
    .build(),

  task(["opg", "balance"], "Show what an account holds, has allowed and has earned")
    .addPositionalArgument({ name: "address", description: "Whose; yours where left out", defaultValue: "" })
    .setAction(() => import("./balance.ts"))
    .build(),

  task(["opg", "approve"], "Let Permit2 move your OPG, each time with your signature; costs gas once")
    .addOption({ name: "amount", description: "At most so many OPG; any amount where left out", defaultValue: "" })
    .setAction(() => import("./approve.ts"))
    .build(),

  task(["opg", "models"], "List the published models with their prices and nodes")
    .setAction(() => import("./models.ts"))
    .build(),

  task(["opg", "publish"], "Publish a version of a model and hand its bytes to the hub")
    .addPositionalArgument({ name: "file", description: "An ONNX file" })
    .addOption({ name: "name", description: "Name of the model", defaultValue: "" })
    .addOption({ name: "label", description: "Label of the version, such as 1.0.0", defaultValue: "1.0.0" })
    .addOption({ name: "base", description: "Price of a call, in OPG", defaultValue: "0.01" })
    .addOption({
      name: "perInputByte",
      description: "Price per byte of input, in atomic units",
      type: ArgumentType.BIGINT,
      defaultValue: 0n,
    })
    .addOption({
      name: "perOutputByte",
      description: "Price per byte of output, in atomic units",
      type: ArgumentType.BIGINT,
      defaultValue: 0n,
    })
    .setAction(() => import("./publish.ts"))
    .build(),

  task(["opg", "nodes"], "List the nodes with measurement, lease and state")
    .setAction(() => import("./nodes.ts"))
    .build(),

  task(["opg", "nodes", "show"], "Tell of a node: evidence, measurement, lease, keys, work and history")
    .addPositionalArgument({ name: "address", description: "The node" })
    .setAction(() => import("./nodeShow.ts"))
    .build(),

  task(["opg", "nodes", "retire"], "End a node of yours for good")
    .addPositionalArgument({ name: "address", description: "The node" })
    .setAction(() => import("./nodeRetire.ts"))
    .build(),

  task(["opg", "measurements"], "List the measurements that nodes may run under, with their windows")
    .setAction(() => import("./measurements.ts"))
    .build(),

  task(["opg", "measurements", "approve"], "Have governance open or move the window of a measurement")
    .addPositionalArgument({ name: "measurement", description: "0x and 64 hex digits" })
    .addOption({ name: "from", description: "First moment (UTC); the beginning where left out", defaultValue: "" })
    .addOption({
      name: "until",
      description: "First moment that does not belong to it; never where left out",
      defaultValue: "",
    })
    .setAction(() => import("./measurementApprove.ts"))
    .build(),

  task(["opg", "measurements", "end"], "Have governance close the window of a measurement")
    .addPositionalArgument({ name: "measurement", description: "0x and 64 hex digits" })
    .setAction(() => import("./measurementEnd.ts"))
    .build(),

  task(["opg", "verifiers"], "List the verifiers with epoch, verdicts and earnings")
    .setAction(() => import("./verifiers.ts"))
    .build(),

  task(["opg", "handover"], "Sign or submit the handover to the next verifier set")
    .addOption({ name: "members", description: "Addresses of the next set, separated by commas", defaultValue: "" })
    .addOption({ name: "threshold", description: "How many of them certify", type: ArgumentType.INT, defaultValue: 2 })
    .addOption({
      name: "validUntil",
      description: "Seconds since 1970; an hour from now where 0",
      type: ArgumentType.INT,
      defaultValue: 0,
    })
    .addOption({
      name: "signatures",
      description: "SIGNER=SIGNATURE of other verifiers, separated by commas",
      defaultValue: "",
    })
    .setAction(() => import("./handover.ts"))
    .build(),

  task(["opg", "infer"], "Pay for one inference and show the answer")
    .addOption({ name: "image", description: "A PNG or JPEG picture of one line of text", defaultValue: "" })
    .addOption({ name: "model", description: "name, name@version or versionId", defaultValue: "ppocr-recogniser" })
    .addOption({ name: "inputs", description: "A JSON file of named tensors, instead of --image", defaultValue: "" })
    .addOption({ name: "maxAmount", description: "Most you are willing to pay, in OPG", defaultValue: "1" })
    .addFlag({ name: "account", description: "Pay out of your prefunded account, see opg account" })
    .addFlag({ name: "json", description: "Print the trail as one JSON line, with the output" })
    .setAction(() => import("./infer.ts"))
    .build(),

  task(["opg", "trace"], "Tell the whole story of a task, and check that its amounts add up")
    .addPositionalArgument({ name: "task", description: "The taskId" })
    .addFlag({ name: "json", description: "Print the trail as one JSON line" })
    .setAction(() => import("./trace.ts"))
    .build(),

  task(["opg", "verify-receipt"], "Check against the chain alone that a call is in the batch that settled it")
    .addPositionalArgument({ name: "file", description: "What GET /v1/tasks/{taskId}/proof answered" })
    .setAction(() => import("./verifyReceipt.ts"))
    .build(),

  task(["opg", "statement"], "Tell what an address earned and spent, for which models, and where it went")
    .addOption({ name: "payer", description: "Whose spending", defaultValue: "" })
    .addOption({
      name: "node",
      description: "Whose earnings: a node, or the address it is paid out to",
      defaultValue: "",
    })
    .addOption({ name: "verifier", description: "Whose shares of the pools", defaultValue: "" })
    .addOption({
      name: "from",
      description: "First moment, such as 2026-01-01 (UTC); the beginning where left out",
      defaultValue: "",
    })
    .addOption({
      name: "to",
      description: "First moment that does not belong to it; now where left out",
      defaultValue: "",
    })
    .addOption({ name: "format", description: "csv or json", defaultValue: "csv" })
    .setAction(() => import("./statement.ts"))
    .build(),

  emptyTask(["opg", "account"], "Prefunded accounts: fund them once, then calls need signatures only").build(),

  task(["opg", "account", "show"], "Show what is in an account, what was spent and what is being withdrawn")
    .addPositionalArgument({ name: "address", description: "Whose; yours where left out", defaultValue: "" })
    .addOption({ name: "facilitator", description: "At whom; the network's first where left out", defaultValue: "" })
    .setAction(() => import("./accountShow.ts"))
    .build(),

  task(["opg", "account", "deposit"], "Put OPG into an account; the first time opens it")
    .addPositionalArgument({ name: "amount", description: "How many OPG" })
    .addOption({ name: "payer", description: "Whose account; yours where left out", defaultValue: "" })
    .addOption({ name: "facilitator", description: "At whom; the network's first where left out", defaultValue: "" })
    .setAction(() => import("./accountDeposit.ts"))
    .build(),

  task(["opg", "account", "withdraw"], "Ask for OPG of your account back; once its time has come, get it")
    .addOption({
      name: "amount",
      description:
        "Ask for so many OPG in place of what was asked for before, 0 for none; where left out, for all or, if its time has come, for its payment",
      defaultValue: "",
    })
    .addOption({ name: "facilitator", description: "At whom; the network's first where left out", defaultValue: "" })
    .setAction(() => import("./accountWithdraw.ts"))
    .build(),

  task(["opg", "refund"], "Give an overdue task's lock back to its payer; anyone may")
    .addPositionalArgument({ name: "task", description: "The taskId" })
    .setAction(() => import("./refund.ts"))
    .build(),

  task(["opg", "withdraw"], "Pay out what an account has earned, to that account; anyone may")
    .addPositionalArgument({ name: "address", description: "Whose; yours where left out", defaultValue: "" })
    .setAction(() => import("./withdraw.ts"))
    .build(),
];
