import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { JsonRpcProvider, toBeHex, toQuantity, Wallet } from "ethers";
import { type ChainObserver, ChainProvider } from "#chain/provider.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { OpgError } from "#protocol/errors.ts";
import { freePorts } from "#scripts/network/places.ts";
import { startChain } from "#scripts/network/startChain.ts";
import { type Fault, type FaultyEndpoint, startFaultyEndpoint } from "./faultyEndpoint.ts";

/** Chain id of the chain below. */
export const CHAIN_ID = 31_337;
/** Has 100 wei. */
export const holder = toBeHex(0xaa, 20);
/** A contract that answers the word 7. */
export const answering = toBeHex(0xbb, 20);
/** A contract that refuses with the word 9. */
export const refusing = toBeHex(0xcc, 20);
/** A contract that logs. */
export const logging = toBeHex(0xdd, 20);
/** A number as contracts write it. */
export const word = (value: number): string => toBeHex(value, 32);

/** A chain that mines when it is told, and endpoints in front of it that go wrong. */
export async function startEndpointChain() {
  const folder = mkdtempSync(join(tmpdir(), "opg-endpoints-"));
  const { chain: port } = await freePorts(0, 0);
  const files = { stateFolder: folder, logFile: join(folder, "chain.log") };
  const chain = await startChain({ port, ...files, blockTimeSeconds: 3_600, chainId: CHAIN_ID });
  const truth = new JsonRpcProvider(chain.url, CHAIN_ID, { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1 });
  const opened: (() => Promise<void> | undefined)[] = [];
  const sender = new Wallet(localAccount("faucet").privateKey, truth);
  const mine = (blocks = 1): Promise<unknown> => truth.send("anvil_mine", [toQuantity(blocks)]);
  const endpointsWith = async (faults: readonly (Fault | undefined)[]): Promise<FaultyEndpoint[]> => {
    const endpoints = await Promise.all(faults.map((fault) => startFaultyEndpoint(chain.url, fault)));
    opened.push(...endpoints.map((endpoint) => () => endpoint.close()));
    return endpoints;
  };
  await truth.send("anvil_setCode", [answering, "0x600760005260206000f3"]);
  await truth.send("anvil_setCode", [refusing, "0x600960005260206000fd"]);
  await truth.send("anvil_setCode", [logging, "0x600160006000a100"]);
  await truth.send("anvil_setBalance", [holder, "0x64"]);
  await mine(10);
  return {
    truth,
    sender,
    mine,
    endpointsWith,
    /** Has a new block with one log. @returns the transaction's hash */
    log: async (): Promise<string> => {
      const sent = await sender.sendTransaction({ to: logging });
      await mine();
      return sent.hash;
    },
    /** A provider of as many endpoints as there are faults; `undefined` is none. */
    open: async (faults: readonly (Fault | undefined)[], observer?: ChainObserver) => {
      const endpoints = await endpointsWith(faults);
      const urls = endpoints.map(({ url }) => url);
      const provider = new ChainProvider(urls, CHAIN_ID, observer);
      opened.unshift(() => {
        provider.destroy();
        return undefined;
      });
      return { provider, endpoints };
    },
    /** Closes what was opened since the last time. */
    closeOpened: async (): Promise<void> => {
      for (const close of opened.splice(0)) await close();
    },
    stop: async (): Promise<void> => {
      truth.destroy();
      await chain.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

export type EndpointChain = Awaited<ReturnType<typeof startEndpointChain>>;

/** Body of the error that a call ends with. */
export async function failureOf(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await promise.then(
    () => expect.fail("it was answered"),
    (thrown: unknown) => thrown,
  );
  return error instanceof OpgError ? error.toBody().error : expect.fail(String(error));
}
