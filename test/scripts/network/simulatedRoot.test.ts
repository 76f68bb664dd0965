import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openSimulatedRoot } from "#scripts/network/simulatedRoot.ts";

describe("A local network's simulated root", () => {
  it("is made once, kept for the network's next start, and nobody else can read it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "opg-root-"));
    const file = join(folder, "simulatedRoot.pem");
    const made = await openSimulatedRoot(file);
    expect(await openSimulatedRoot(file)).to.deep.equal(made);
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    await rm(folder, { recursive: true });
  });
});
