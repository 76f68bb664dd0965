import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { toBeHex } from "ethers";
import { network } from "hardhat";
import { ChainProvider, connectChain } from "#chain/provider.ts";
import { OpgError } from "#protocol/errors.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof OpgError ? error.code : String(error)),
  );
}

/** An endpoint that answers everything in one way. */
async function endpoint(status: number, body: (id: unknown) => string): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    let sent = "";
    request.on("data", (chunk: Buffer) => (sent += chunk.toString()));
    request.on("end", () => {
      const { id } = JSON.parse(sent) as { id: unknown };
      response.writeHead(status, { "content-type": "application/json" }).end(body(id));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

describe("connectChain", () => {
  it("opens the chain that it expects, and refuses another", async () => {
    const chain = await network.createServer({ network: "default", override: { chainId: 4242 } }, "127.0.0.1", 0);
    const { address, port } = await chain.listen();
    try {
      const provider = await connectChain(`http://${address}:${port}`, 4242);
      expect(await provider.getBlockNumber()).to.equal(0);
      provider.destroy();
      expect(await codeOf(connectChain(`http://${address}:${port}`, 1))).to.equal("configuration");
    } finally {
      await chain.close();
    }
  });

  it("says chain_unavailable where nothing listens", async () => {
    const { url, server } = await endpoint(200, () => "");
    await new Promise((resolve) => server.close(resolve));
    expect(await codeOf(connectChain(url, 1))).to.equal("chain_unavailable");
  });
});

describe("ChainProvider", () => {
  const failures: Record<string, [number, (id: unknown) => string]> = {
    "answers 503": [503, () => "busy"],
    "answers what is no JSON": [200, () => "<html>"],
    "has an inner fault": [
      200,
      (id) => JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32603, message: "internal" } }),
    ],
    "limits its callers": [
      200,
      (id) => JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32005, message: "limit" } }),
    ],
  };
  for (const [what, [status, body]] of Object.entries(failures)) {
    it(`says chain_unavailable, without the endpoint's address, when the endpoint ${what}`, async () => {
      const { url, server } = await endpoint(status, body);
      const provider = new ChainProvider(url, 1);
      try {
        const error: unknown = await provider
          .getBalance("0x00000000000000000000000000000000000000aa")
          .catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(OpgError);
        expect((error as OpgError).code).to.equal("chain_unavailable");
        expect(JSON.stringify((error as OpgError).toBody())).not.to.include(url);
      } finally {
        provider.destroy();
        server.close();
      }
    });
  }

  for (const [message, code] of [
    ["limit exceeded", "chain_unavailable"],
    ["header not found", "chain_unavailable"],
    ["execution reverted", "CALL_EXCEPTION"],
    ["EVM error OutOfGas", "CALL_EXCEPTION"],
    ["gas required exceeds allowance (500000)", "CALL_EXCEPTION"],
  ] as const) {
    it(`takes a call that ends with "${message}" for ${code}`, async () => {
      const { url, server } = await endpoint(200, (id) =>
        JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message } }),
      );
      const provider = new ChainProvider(url, 1);
      try {
        for (const method of ["call", "estimateGas"] as const) {
          const error: unknown = await provider[method]({ to: toBeHex(1, 20) }).catch((thrown: unknown) => thrown);
          expect(error).to.include({ code });
        }
      } finally {
        provider.destroy();
        server.close();
      }
    });
  }

  it("leaves a refused transaction a refusal", async () => {
    const { url, server } = await endpoint(200, (id) =>
      JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message: "nonce too low" } }),
    );
    const provider = new ChainProvider(url, 1);
    try {
      const error: unknown = await provider.send("eth_sendRawTransaction", ["0x"]).catch((thrown: unknown) => thrown);
      expect((error as { code: string }).code).to.equal("NONCE_EXPIRED");
    } finally {
      provider.destroy();
      server.close();
    }
  });
});
