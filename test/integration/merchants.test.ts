import { HTTPFacilitatorClient } from "@x402/core/server";
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader,
} from "@x402/core/http";
import { wrapFetchWithPayment } from "@x402/fetch";
import { expect } from "chai";
import { Wallet } from "ethers";
import { startProcess } from "#scripts/network/startProcess.ts";
import { type Processes, startProcesses } from "./journeyNetwork.ts";
import { newPayer } from "./newPayer.ts";
import { CHARGE, PRICE } from "./programs/merchant.ts";
import { stockClient, stockHeader } from "./stockClient.ts";

const AT_ONCE = 5;

/** A merchant's process, behind x402's middleware, and who is paid there. */
interface Merchant {
  name: string;
  url: string;
  payTo: string;
  stop(): Promise<void>;
}

describe("merchants behind x402's own middleware", function () {
  this.timeout(120_000);
  let processes: Processes;
  let payer: Wallet;
  const merchants: Merchant[] = [];

  const startMerchant = async (name: string): Promise<Merchant> => {
    const { network, places } = processes.local;
    const payTo = Wallet.createRandom().address;
    const env = {
      OPG_NETWORK: places.network,
      MERCHANT_PAY_TO: payTo,
      MERCHANT_FACILITATOR: network.facilitators[0]?.url ?? "",
    };
    const program = `test/integration/programs/${name}Merchant.ts`;
    const { url, stop } = await startProcess({ name, program, env, logFile: places.log(name) });
    return { name, url, payTo, stop };
  };
  const merchantNamed = (name: string): Merchant => {
    const merchant = merchants.find((one) => one.name === name);
    if (!merchant) throw new Error(`no merchant is called ${name}`);
    return merchant;
  };
  const pay = (url: string, from = payer): Promise<Response> =>
    wrapFetchWithPayment(fetch, stockClient(processes.local.network, from))(url);
  /** Pays for what is sold there. */
  const buy = async (url: string, from = payer) => {
    const response = await pay(url, from);
    expect(response.status, errorOf(response)).to.equal(200);
    return decodePaymentResponseHeader(response.headers.get("payment-response") ?? "");
  };
  const sendHeader = (url: string, header: string): Promise<Response> =>
    fetch(url, { headers: { "payment-signature": header } });
  const runsOf = async ({ url }: Merchant): Promise<number> => {
    const { runs } = (await (await fetch(`${url}/runs`)).json()) as { runs: number };
    return runs;
  };
  /** What a merchant and the payer have more and less after something happened. */
  const moved = async ({ payTo }: Merchant, act: () => Promise<void>): Promise<{ got: bigint; paid: bigint }> => {
    const { opg } = processes;
    const before = { to: await opg.balanceOf(payTo), from: await opg.balanceOf(payer.address) };
    await act();
    return { got: (await opg.balanceOf(payTo)) - before.to, paid: before.from - (await opg.balanceOf(payer.address)) };
  };
  const errorOf = (response: Response): string | undefined => {
    const header = response.headers.get("payment-required");
    return header === null ? undefined : decodePaymentRequiredHeader(header).error;
  };

  before(async () => {
    processes = await startProcesses({ daemons: ["facilitator"] });
    payer = await newPayer(processes, 1_000n * PRICE);
    merchants.push(await startMerchant("hono"), await startMerchant("express"));
  });
  after(async () => {
    await Promise.all(merchants.map(({ stop }) => stop()));
    await processes.stop();
  });

  for (const name of ["hono", "express"]) {
    describe(`@x402/${name}`, () => {
      it("sells under exact: the whole price goes straight to the merchant", async () => {
        const merchant = merchantNamed(name);
        const { got, paid } = await moved(merchant, async () => {
          const settled = await buy(`${merchant.url}/exact`);
          expect(settled).to.deep.include({ success: true, payer: payer.address });
          expect((await processes.provider.getTransactionReceipt(settled.transaction))?.status).to.equal(1);
        });
        expect([got, paid]).to.deep.equal([PRICE, PRICE]);
      });

      it("sells under upto: no more than the handler charges is taken", async () => {
        const merchant = merchantNamed(name);
        const { got, paid } = await moved(merchant, async () => {
          await buy(`${merchant.url}/upto`);
        });
        expect([got, paid]).to.deep.equal([CHARGE, CHARGE]);
      });

      it("settles a charge of nothing without a transaction", async () => {
        const merchant = merchantNamed(name);
        const { got, paid } = await moved(merchant, async () => {
          expect(await buy(`${merchant.url}/nothing`)).to.deep.include({ success: true, transaction: "" });
        });
        expect([got, paid]).to.deep.equal([0n, 0n]);
      });

      it("charges nothing when the handler fails", async () => {
        const merchant = merchantNamed(name);
        const { got, paid } = await moved(merchant, async () => {
          expect((await pay(`${merchant.url}/failing`)).status).to.equal(500);
        });
        expect([got, paid]).to.deep.equal([0n, 0n]);
      });

      it("runs the handler once for one payment header, however often it is sent at once", async () => {
        const merchant = merchantNamed(name);
        const url = `${merchant.url}/upto`;
        const header = await stockHeader(stockClient(processes.local.network, payer), url);
        const before = await runsOf(merchant);
        const { got } = await moved(merchant, async () => {
          const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => sendHeader(url, header)));
          expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
          const others = answers.filter(({ status }) => status !== 200);
          expect(others.map(({ status }) => status)).to.deep.equal(Array(AT_ONCE - 1).fill(402));
          for (const other of others) expect(errorOf(other)).to.equal("permit2_invalid_nonce");
        });
        expect(await runsOf(merchant)).to.equal(before + 1);
        expect(got).to.equal(CHARGE);
      });

      it("does not take a payment for one route on another of the same price", async () => {
        const merchant = merchantNamed(name);
        const header = await stockHeader(stockClient(processes.local.network, payer), `${merchant.url}/upto`);
        expect((await sendHeader(`${merchant.url}/upto`, header)).status).to.equal(200);
        const before = await runsOf(merchant);
        const again = await sendHeader(`${merchant.url}/failing`, header);
        expect([again.status, errorOf(again)]).to.deep.equal([402, "permit2_invalid_nonce"]);
        expect(await runsOf(merchant)).to.equal(before);
      });
    });
  }

  it("sell to who has no gas and no allowance", async () => {
    const merchant = merchantNamed("hono");
    const newcomer = await newPayer(processes, PRICE, false);
    await buy(`${merchant.url}/exact`, newcomer);
    expect(await processes.opg.balanceOf(newcomer.address)).to.equal(0n);
    expect(await processes.provider.getBalance(newcomer.address)).to.equal(0n);
  });

  it("are all paid when one payer pays many of them at once", async () => {
    const merchant = merchantNamed("express");
    const { got } = await moved(merchant, async () => {
      await Promise.all(Array.from({ length: 10 }, () => buy(`${merchant.url}/exact`)));
    });
    expect(got).to.equal(10n * PRICE);
  });

  it("get the same settlement again after the facilitator was killed, and the payer pays once", async () => {
    const { local } = processes;
    const merchant = merchantNamed("hono");
    const facilitator = new HTTPFacilitatorClient({ url: local.network.facilitators[0]?.url ?? "" });
    const header = await stockHeader(stockClient(local.network, payer), `${merchant.url}/exact`);
    const payload = decodePaymentSignatureHeader(header);
    const { got } = await moved(merchant, async () => {
      expect(await facilitator.verify(payload, payload.accepted)).to.include({ isValid: true });
      const first = await facilitator.settle(payload, payload.accepted);
      expect(first.success).to.equal(true);
      await local.daemons.get("facilitator")?.kill();
      await local.start("facilitator");
      expect(await facilitator.settle(payload, payload.accepted)).to.deep.equal(first);
    });
    expect(got).to.equal(PRICE);
  });
});
