import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { Hono } from "hono";
import { Wallet } from "ethers";
import hre from "hardhat";
import { freePort } from "#scripts/network/freePort.ts";
import { ownedProcess } from "#scripts/network/ownedProcess.ts";
import { startHttpServer } from "#service/httpServer.ts";
import { type SellingNetwork, startSellingNetwork } from "./sellingNetwork.ts";

const run = promisify(execFile);
const MAX_BYTES = 4 * 1024 * 1024;
const LINE_PRICE = 10n ** 15n;

describe("the package @opg/merchant", function () {
  this.timeout(120_000);
  const { root } = hre.config.paths;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "opg-merchant-"));
    await mkdir(join(folder, "app"));
    const merchant = join(root, "packages/merchant");
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: merchant });
    const [packed] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
    const manifest = { name: "app", version: "1.0.0", private: true, type: "module" };
    await writeFile(join(folder, "app/package.json"), JSON.stringify(manifest));
    const install = ["install", "--offline", "--no-audit", "--no-fund", join(folder, packed.filename)];
    await run("npm", install, { cwd: join(folder, "app") });
  });

  after(() => rm(folder, { recursive: true }));

  it("needs nothing beside itself, and asks for payment from an empty folder", async () => {
    const installed = join(folder, "app/node_modules");
    expect(await readdir(installed)).to.have.members([".package-lock.json", "@opg"]);
    expect((await stat(join(installed, "@opg/merchant/dist/index.js"))).size).to.be.lessThan(MAX_BYTES);
    const code = `
      import { createServer } from "node:http";
      import { acceptPayments, OpgError } from "@opg/merchant";
      const kinds = [{ x402Version: 2, scheme: "exact", network: "eip155:1" }];
      const facilitator = createServer((_, response) => response.end(JSON.stringify({ kinds, extensions: [], signers: {} })));
      await new Promise((resolve) => facilitator.listen(0, resolve));
      const payTo = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
      const options = { facilitator: "http://127.0.0.1:" + facilitator.address().port, network: "eip155:1", payTo };
      const terms = { ...options, asset: { address: payTo, name: "T", version: "1" } };
      const { paid } = acceptPayments({ ...terms, routes: { "GET /a": { scheme: "exact", amount: 1n } } });
      const ask = async (path) => (await paid(() => new Response("free"))(new Request("http://shop" + path))).status;
      console.log(await ask("/a"), await ask("/b"));
      try { acceptPayments({ ...terms, payTo: "me", routes: {} }); } catch (error) { console.log(error instanceof OpgError, error.code); }
      process.exit();
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: join(folder, "app") });
    expect(stdout).to.equal("402 404\ntrue configuration\n");
  });

  it("has declarations that a strict application compiles with", async () => {
    const app = join(folder, "app");
    const code = `
      import { acceptPayments, type Served, type SettledPayment } from "@opg/merchant";
      const charge = ({ bytes, ending }: Served): bigint => (ending === "complete" ? 1n : BigInt(bytes));
      const { paid, close } = acceptPayments({
        facilitator: "http://127.0.0.1:8403", network: "eip155:1", payTo: "0x", asset: { address: "0x", name: "T", version: "1" },
        routes: { "GET /a": { scheme: "upto", amount: 5n, charge } },
        onSettled: (settled: SettledPayment) => { settled.amount satisfies bigint; },
      });
      export const app: (request: Request, environment: { key: string }) => Promise<Response> = paid(
        (request: Request, { key }: { key: string }) => new Response(request.url + key),
      );
      export const closed: Promise<void> = close();
      // @ts-expect-error amounts are bigint: these types are not any
      acceptPayments({ routes: { "GET /a": { scheme: "exact", amount: 5 } } });
    `;
    await writeFile(join(app, "app.ts"), code);
    const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const flags = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"];
    const complaints = await run(process.execPath, [compiler, ...flags, "app.ts"], { cwd: app }).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    );
    expect(complaints).to.equal("");
  });

  describe("with a network", () => {
    let net: SellingNetwork;
    before(async () => {
      net = await startSellingNetwork();
    });
    after(() => net.close());

    it("streams and is paid as the example stands, x402's own client paying", async () => {
      const { network, facilitatorUrl } = net;
      const described = {
        ...network,
        facilitators: network.facilitators.map((one) => ({ ...one, url: facilitatorUrl })),
      };
      const gatewayApp = new Hono();
      gatewayApp.get("/network.json", (context) => context.json(described));
      const gateway = await startHttpServer(gatewayApp, { host: "127.0.0.1", port: 0 });
      const payTo = Wallet.createRandom().address;
      const env = { GATEWAY: gateway.url, PAY_TO: payTo, PORT: String(await freePort()) };
      const merchant = ownedProcess({
        ...{ name: "merchant", command: process.execPath, parameters: [join(root, "examples/merchant/stream.mjs")] },
        ...{ env, logFile: join(net.folder, "stream.log") },
      });
      try {
        const listening = await merchant.line((line) => line.startsWith("listening at "));
        const payer = await net.makePayer(10n ** 16n);
        const paying = [join(root, "examples/merchant/pay.mjs"), listening.replace("listening at ", "")];
        const payerEnv = { ...process.env, GATEWAY: gateway.url, PAYER_KEY: payer.privateKey };
        const settled = merchant.line((line) => line.startsWith("settled "));
        const { stdout } = await run(process.execPath, paying, { env: payerEnv });
        expect(stdout).to.include("200 data: 1\n\ndata: 2\n\n");
        expect(await settled).to.equal(`settled ${5n * LINE_PRICE} for 45 bytes, complete`);
        expect(await net.balanceOf({ address: payTo })).to.equal(5n * LINE_PRICE);
      } finally {
        await merchant.stop();
        await gateway.close(0);
      }
    });
  });
});
