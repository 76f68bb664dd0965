import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { getCreate2Address, keccak256 } from "ethers";
import { artifacts } from "hardhat";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("hardhat.config", () => {
  it("compiles Permit2 to the very code of its canonical address", async () => {
    const permit2 = await artifacts.readArtifact("Permit2");
    const codeHash = keccak256(permit2.bytecode);
    expect(codeHash).to.equal("0xe2be1e05eedf35dacd66c65c862f8150ff9ab4b6b24b9bbe62be71b6b16cf0f8");
    const deployer = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
    const salt = "0x0000000000000000000000000000000000000000d3af2663da51c10215000000";
    expect(getCreate2Address(deployer, salt, codeHash)).to.equal("0x000000000022D473030F116dDEE9F6B43aC78BA3");
  });

  it("makes types that Node runs as they are, of the project's own contracts only", async () => {
    const types = filesBelow("typechain-types");
    expect(types.map((file) => basename(file)))
      .to.include("TaskEscrow__factory.ts")
      .and.not.include("Permit2.ts");
    for (const file of types) expect(readFileSync(file, "utf8"), file).not.to.match(/from\s+["']\.[^"']*\.js["']/);
  });
});

describe("the tree", () => {
  it("keeps contracts within 400 lines", () => {
    const long = filesBelow("contracts").filter((file) => readFileSync(file, "utf8").split("\n").length > 401);
    expect(long).to.deep.equal([]);
  });

  it("names what a file is about, not that it helps", () => {
    const files = ["contracts", "deploy", "packages", "scripts", "src", "test"].flatMap(filesBelow);
    expect(files.filter((file) => /(^|[/-])(utils?|helpers?|common|managers?)[./]/i.test(file))).to.deep.equal([]);
  });
});

function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
