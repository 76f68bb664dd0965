import { type ChildProcess, spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { id, sha256 } from "ethers";
import { encodeFrame } from "#node/enclave/frames.ts";
import { startEnclaveProcess } from "#node/enclaveProcess.ts";
import { MessageChannel } from "#node/enclave/messageChannel.ts";
import { hostRequests, PIECE_BYTES } from "#node/enclave/messages.ts";
import { socketNames } from "#node/enclave/socketNames.ts";
import type { ReleasedRequestJson } from "#protocol/messages.ts";
import { sealingKeyJson, sealingKeyTypedData } from "#protocol/sealedRequest.ts";
import { domainIn } from "#protocol/network.ts";
import { tensorsFromJson } from "#protocol/tensors.ts";
import { sign } from "#test/contracts/fixture.ts";
import { rejection } from "#test/execution/rejection.ts";
import { addition, negation } from "./models.ts";
import { type AdmittedNode, eventually, type NodeNetwork, startNodeNetwork } from "./nodeNetwork.ts";
import { canReadMemory, searchMemory, whatIsIn } from "./processMemory.ts";

const programOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What the test's enclave tells besides the interface. */
interface Told {
  pid: number;
  folder: string;
  signer: string;
  tls: string;
}

/** A prompt whose bytes stand nowhere by chance. */
const prompt = Array.from(
  Buffer.from(id("the prompt").slice(2), "hex"),
  (byte, place) => 1 + byte / 256 + place / 2 ** 20,
);
const bytesOf = (numbers: readonly number[]): Buffer => Buffer.from(Float32Array.from(numbers).buffer);
const answer = prompt.map((number) => -number);
const salt = id("salt");

/** Everything that must stay inside, in every form that it is held or travels in. */
function secretsOf({ signer, tls }: Pick<Told, "signer" | "tls">): Record<string, Buffer> {
  const { d = "" } = createPrivateKey(tls).export({ format: "jwk" });
  const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
  const hex = (text: string): Buffer => Buffer.from(text.replace(/^0x/, ""), "hex");
  return {
    "signing key": hex(signer),
    "signing key in hex": ascii(signer.slice(2)),
    "TLS key": Buffer.from(d, "base64url"),
    "TLS key in PEM": ascii(tls.split("\n").slice(1, -2).join("\n").slice(0, 96)),
    prompt: bytesOf(prompt),
    "prompt in base64": ascii(bytesOf(prompt).toString("base64").slice(0, 96)),
    answer: bytesOf(answer),
    "answer in base64": ascii(bytesOf(answer).toString("base64").slice(0, 96)),
    salt: hex(salt),
    "salt in hex": ascii(salt.slice(2)),
  };
}

const limits = { maxBytes: 10_000_000, maxSentBytes: 2 * PIECE_BYTES };

describe("between an enclave and its host", function () {
  this.timeout(120_000);
  let network: NodeNetwork;
  let record: string;
  let host: ChildProcess;
  let printed: string;
  let complaints: string;
  let node: AdmittedNode;
  let body: ReleasedRequestJson;
  let told: Told;

  before(async () => {
    network = await startNodeNetwork();
    record = mkdtempSync(join(tmpdir(), "opg-record-"));
    const versionId = await network.publish("negation");
    await network.upload(sha256(negation), negation);
    const environment = {
      ...{ ...process.env, ...network.environment("operator1"), OPG_LOG_LEVEL: "debug" },
      ...{ OPG_TEST_RECORD: record, OPG_TEST_LEAD_FILE: network.leadFile },
    };
    host = spawn(process.execPath, [programOf("./programs/recordedNode.ts")], { env: environment });
    printed = complaints = "";
    host.stdout?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    host.stderr?.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
    const listening = () => Promise.resolve(/"url":"(https:[^"]+)","msg":"listening"/.exec(printed)?.[1]);
    const url = await eventually(listening);
    node = await network.admitted({ url } as AdmittedNode["daemon"]);
    await network.loaded(node, versionId);
    told = JSON.parse(readFileSync(join(record, "told.json"), "utf8")) as Told;
    ({ body } = await network.release(node.address, versionId, prompt));
  });

  after(async () => {
    host.kill("SIGKILL");
    await network.close();
    rmSync(record, { recursive: true });
  });

  const recorded = (name: string): Buffer => readFileSync(join(record, name));

  /** Another connection to the real socket, by somebody who holds the host's machine. */
  const attach = async () => {
    const socket = connect(join(told.folder, socketNames.messages));
    await once(socket, "connect");
    return socket;
  };

  it("a task is answered, checked by three verifiers", async () => {
    const { outputs, verdicts } = await node.answer(body);
    expect(Buffer.from(tensorsFromJson(outputs)["y"]!.data)).to.deep.equal(bytesOf(answer));
    expect(verdicts).to.have.length(3);
  });

  if (!canReadMemory) it("memories are not searched: this machine shows those of no process, by /proc/PID/mem");
  else {
    it("a task leaves no key, prompt, salt or answer in the host's memory, and all of them in the enclave's", () => {
      const secrets = secretsOf(told);
      const hosts = searchMemory(host.pid!, { ...secrets, "task id": Buffer.from(body.release.taskId) });
      expect(hosts).to.deep.equal(["task id"]);
      const held = searchMemory(told.pid, secrets);
      expect(held).to.include.members(["signing key in hex", "TLS key in PEM", "prompt", "answer", "salt in hex"]);
    });
  }

  it("whoever attaches to the socket gets sealed requests and what the enclave signs for itself, and no more", async () => {
    const channel = new MessageChannel(await attach(), {
      ...{ asked: hostRequests, answered: {}, handlers: () => ({}), ...limits },
    });
    const { taskId } = body.release;
    const [verifier] = network.verifiers;
    const [wallet] = network.fixture.wallets.verifiers;
    const settlement = domainIn(network.network, "settlement");
    const sealingKey = sealingKeyJson.parse(await (await fetch(`${verifier!.url}/sealing-key`)).json());
    const sealed = await channel.ask("seal", { taskId, sealingKey });
    expect(sealed.ciphertext.length).to.be.greaterThan(bytesOf(prompt).length);
    const refused = async (asking: Promise<unknown>): Promise<string> => (await rejection(asking)).code;
    expect(await refused(channel.ask("seal", { taskId: id("other"), sealingKey }))).to.equal("unknown_task");
    const { stranger, operator } = network.fixture.wallets;
    for (const [named, signer] of [
      [stranger.address, stranger],
      [wallet.address, stranger],
    ] as const) {
      const made = { verifier: named, key: id("a key of the host's") };
      const signature = await sign(signer, sealingKeyTypedData(made, settlement));
      const asking = channel.ask("seal", { taskId, sealingKey: { ...made, signature } });
      expect(await refused(asking)).to.equal("invalid_signature");
    }

    const terms = { nonce: id("any"), leaseUntil: 2 ** 40 - 1, sequence: 9, epoch: 7 };
    const { admission } = await channel.ask("attest", terms);
    const { tlsKeyHash } = node;
    expect(admission).to.include({
      node: node.address,
      payout: network.payout,
      operator: operator.address,
      tlsKeyHash,
    });

    const { taskEscrow, settlement: at, nodeRegistry } = network.network.contracts;
    const bound = { operator: stranger.address, payout: stranger.address, chainId: 1, settleWindowSeconds: 0 };
    const contracts = { taskEscrow, settlement: at, nodeRegistry };
    const again = channel.ask("start", { ...bound, contracts, verifiers: [stranger.address] });
    expect(await refused(again)).to.equal("configuration");

    const piece = { digest: sha256(negation), totalBytes: addition.length, offset: 0, piece: addition };
    expect(await refused(channel.ask("piece", piece))).to.equal("model_bytes_mismatch");
    expect(await refused(channel.ask("piece", { ...piece, offset: 1 }))).to.equal("invalid_body");
    expect(await refused(channel.ask("piece", { ...piece, piece: new Uint8Array(PIECE_BYTES + 1) }))).to.equal(
      "invalid_body",
    );
    expect((await channel.ask("status", {})).executions).to.equal(1);
    channel.close();
  });

  it("who sends what is no message is cut off, and the enclave serves on", async () => {
    const oversized = Buffer.from("ffffffff00", "hex");
    const broken = [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      oversized,
      encodeFrame({ version: 2, id: 1, type: "status" }),
    ];
    for (const bytes of broken) {
      const socket = await attach();
      const closed = once(socket, "close");
      socket.on("error", () => undefined).end(bytes);
      await closed;
    }
    const socket = await attach();
    socket.write(encodeFrame({ version: 1, id: 1, type: "keys", body: {} }));
    const [said] = (await once(socket, "data")) as [Buffer];
    expect(said.toString("latin1")).to.include("not_found");
    socket.destroy();
    expect((await node.info()).executions).to.equal(1);
  });

  it("none of the bytes on the sockets, and nothing that is printed, shows a key, a prompt, a salt or an answer", () => {
    const secrets = secretsOf(told);
    for (const name of Object.values(socketNames)) expect(whatIsIn(recorded(name), secrets), name).to.deep.equal([]);
    expect(whatIsIn(Buffer.from(printed + complaints), secrets)).to.deep.equal([]);
    // What must be there is found, so that a search that finds nothing would be seen.
    const shown = {
      task: Buffer.from(body.release.taskId),
      type: Buffer.from("certify"),
      node: Buffer.from(node.address),
    };
    expect(whatIsIn(recorded("messages"), shown)).to.deep.equal(Object.keys(shown));
    expect(recorded("connections").length).to.be.greaterThan(bytesOf(prompt).length);
    const marked = Buffer.concat([recorded("messages"), ...Object.values(secrets)]);
    expect(whatIsIn(marked, secrets)).to.deep.equal(Object.keys(secrets));
  });

  it("the host ends with one line when its enclave dies, and the sockets are gone", async () => {
    process.kill(told.pid, "SIGKILL");
    const [code] = (await once(host, "close")) as [number];
    expect(code).to.equal(1);
    expect(complaints).to.equal("The node's enclave has ended: signal SIGKILL\n");
    expect(existsSync(told.folder)).to.equal(false);
  });

  it("the enclave outlives a signal, ends when its host is gone, and takes its sockets along", async () => {
    const program = programOf("../../src/node/enclave/main.ts");
    const running = await startEnclaveProcess(program, network.environment("operator1"));
    const { taskEscrow, settlement, nodeRegistry } = network.network.contracts;
    const owner = network.payout;
    const bound = { operator: owner, payout: owner, chainId: 1, settleWindowSeconds: 0, verifiers: [] };
    const channel = new MessageChannel(running.socket, {
      ...{ asked: hostRequests, answered: {}, handlers: () => ({}), ...limits },
    });
    await channel.ask("start", { ...bound, contracts: { taskEscrow, settlement, nodeRegistry } });
    process.kill(running.pid, "SIGTERM");
    expect((await channel.ask("status", {})).executions).to.equal(0);
    channel.close();
    expect(await running.ended).to.equal("exit code 0");
    expect(existsSync(dirname(running.connections))).to.equal(false);
  });
});
