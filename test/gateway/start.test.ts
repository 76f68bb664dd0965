import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { startGateway } from "#gateway/start.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Network } from "#protocol/network.ts";
import { serveChain } from "#test/node/serveChain.ts";
import { gatewayFixture } from "./gatewayFixture.ts";

const contract = `0x${"01".repeat(20)}`;

const network: Network = {
  name: "test",
  chainId: 31_337,
  // Nothing listens on the discard port.
  rpcUrl: "http://127.0.0.1:9",
  deploymentBlock: 0,
  contracts: {
    opg: contract,
    verifierSet: contract,
    taskEscrow: contract,
    settlement: contract,
    nodeRegistry: contract,
    modelRegistry: contract,
    accessManager: contract,
    timelock: contract,
    payerReader: contract,
  },
  parameters: { maxTaskSeconds: 600, settleWindowSeconds: 60, withdrawDelaySeconds: 960 },
  hub: "http://127.0.0.1:9",
  gateway: "http://127.0.0.1:9",
  facilitators: [{ address: contract, entry: contract, url: "http://127.0.0.1:9" }],
  verifiers: [],
};

describe("startGateway", () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "opg-gateway-"));
  });

  after(() => rm(folder, { recursive: true }));

  async function refusal(described: Network, changes: Record<string, string | undefined> = {}): Promise<OpgError> {
    const file = join(folder, "network.json");
    await writeFile(file, JSON.stringify(described));
    const environment = {
      OPG_NETWORK: file,
      OPG_STATE: folder,
      OPG_PORT: "0",
      OPG_LOG_LEVEL: "silent",
      DATABASE_URL: "postgresql://gateway@127.0.0.1:9/gateway",
      ...changes,
    };
    const error: unknown = await startGateway(environment).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(OpgError);
    return error as OpgError;
  }

  const mistakes: [string, string | undefined][] = [
    ["OPG_NETWORK", undefined],
    ["OPG_STATE", undefined],
    ["OPG_PORT", "http"],
    ["DATABASE_URL", undefined],
    ["DATABASE_URL", "http://127.0.0.1"],
    ["OPG_ANSWER_SECONDS", "0"],
    ["OPG_TASK_SECONDS", "0"],
    ["OPG_MAX_OUTPUT_BYTES", "1.5"],
    ["OPG_MAX_BODY_BYTES", "-1"],
  ];
  for (const [variable, value] of mistakes) {
    it(`names ${variable} when it is ${value ?? "missing"}`, async () => {
      const error = await refusal(network, { [variable]: value });
      expect(error.code).to.equal("configuration");
      expect(error.message).to.match(new RegExp(`^${variable} is `));
    });
  }

  it("does not start without a facilitator to pay", async () => {
    expect((await refusal({ ...network, facilitators: [] })).message).to.contain("facilitators in network.json");
  });

  it("says so when the chain does not answer", async () => {
    expect((await refusal(network)).code).to.equal("chain_unavailable");
  });

  it("says so when its database does not answer", async () => {
    const fixture = await gatewayFixture();
    const chain = await serveChain(fixture.connection);
    const error = await refusal({ ...fixture.network, rpcUrl: chain.url });
    expect(error.message).to.match(/^The database of DATABASE_URL cannot be used/);
    await chain.close();
    await fixture.stop();
  });
});
