import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { connectChain } from "#chain/provider.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { publishVersion } from "#hub/publishVersion.ts";
import { OpgError } from "#protocol/errors.ts";
import { modelListingJson } from "#protocol/model.ts";
import { buildRecogniser } from "#scripts/demonstration/recogniser.ts";
import { httpCall } from "#service/httpCall.ts";
import type { DaemonName } from "./daemons.ts";
import type { LocalNetwork } from "./localNetwork.ts";

/** Name, label and price of the demonstration model: 0.01 OPG a call and a little for every byte. */
export const demonstrationModel = {
  name: "ppocr-recogniser",
  label: "1.0.0",
  meter: { base: 10n ** 16n, perInputByte: 10n ** 10n, perOutputByte: 10n ** 11n },
} as const;

const ADMISSION_TIMEOUT_SECONDS = 120;
const POLL_MS = 250;

const models = z.object({ models: z.array(modelListingJson) });

/** Built once, however many networks it is published to. */
let built: Promise<Uint8Array> | undefined;

/** Publishes the demonstration model where it is not published yet. @returns its versionId */
export async function publishDemonstration({ network }: Pick<LocalNetwork, "network">): Promise<string> {
  const provider = await connectChain(network.rpcUrl, network.chainId);
  try {
    const modelRegistry = new ModelRegistryAdapter(network.contracts.modelRegistry, provider, network.deploymentBlock);
    const publisher = localAccount("deployer").connect(provider);
    built ??= buildRecogniser();
    const version = { bytes: await built, ...demonstrationModel };
    return await publishVersion(version, { modelRegistry, publisher, hubUrl: network.hub });
  } finally {
    provider.destroy();
  }
}

/** Starts daemons side by side. */
export async function startAll(local: LocalNetwork, names: readonly DaemonName[]): Promise<void> {
  await Promise.all(names.map((name) => local.start(name)));
}

/** Waits until the gateway sees so many active nodes run a version. @throws OpgError `timeout` */
export async function awaitNodes(
  { network }: Pick<LocalNetwork, "network">,
  versionId: string,
  count: number,
): Promise<void> {
  const lastTry = Date.now() + ADMISSION_TIMEOUT_SECONDS * 1000;
  for (;;) {
    const call = {
      method: "GET" as const,
      url: `${network.gateway}/v1/models`,
      answer: models,
      timeoutSeconds: 30,
      unavailable: "gateway_unavailable" as const,
    };
    const listed = await httpCall(call);
    const nodes = listed.models.find((model) => model.versionId === versionId)?.nodes ?? 0;
    if (nodes >= count) return;
    if (Date.now() > lastTry) {
      throw new OpgError(
        "timeout",
        `Only ${nodes} of ${count} nodes were admitted in ${ADMISSION_TIMEOUT_SECONDS} s; look into the logs of nodes and verifiers.`,
        { nodes, count },
      );
    }
    await sleep(POLL_MS);
  }
}
