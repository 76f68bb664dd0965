import { readFile, writeFile } from "node:fs/promises";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { awaitNodes } from "#scripts/network/readiness.ts";
import { type Journey, leastDaemons, refusalOf, startJourney } from "./journeyNetwork.ts";

describe("a model whose bytes were tampered with", function () {
  this.timeout(120_000);
  let journey: Journey;
  let file: string;
  let honest: Buffer;

  const tamper = async (path: string): Promise<void> => {
    const bytes = Buffer.from(honest);
    bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
    await writeFile(path, bytes);
  };
  const fileBelow = async (folder: string, digest: string): Promise<string> => {
    const names = await readdir(folder, { recursive: true });
    const name = names.find((path) => path.includes(digest) || path.includes(digest.slice(2)));
    if (name === undefined) throw new Error(`no file of ${digest} below ${folder}`);
    return join(folder, name);
  };

  before(async () => {
    journey = await startJourney({
      daemons: leastDaemons,
    });
    const [listing] = await journey.client.models();
    file = await fileBelow(journey.local.places.cache("hub"), listing?.digest ?? "");
    honest = await readFile(file);
  });
  after(() => journey.stop());

  it("is not run by a node that can only get the altered bytes", async () => {
    const { local, client, versionId, inputs, opg, payer } = journey;
    await tamper(file);
    await local.daemons.get("node-1")?.kill();
    await tamper(await fileBelow(local.places.cache("node-1"), (await client.models())[0]?.digest ?? ""));
    await local.start("node-1");
    const balance = await opg.balanceOf(payer.address);
    const refusal = await refusalOf(client.infer({ model: versionId, inputs }));
    expect(refusal.code).to.equal("no_active_node");
    expect(await opg.balanceOf(payer.address)).to.equal(balance);
  });

  it("is run again once the right bytes are there", async () => {
    const { local, client, versionId, inputs } = journey;
    await writeFile(file, honest);
    await awaitNodes(local, versionId, 1);
    const { taskId } = await client.infer({ model: versionId, inputs });
    expect((await journey.ended(taskId)).state).to.equal("settled");
  });
});
