import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const prepare = fileURLToPath(new URL("../../scripts/prepare.mjs", import.meta.url));

describe("prepare", () => {
  it("does nothing and says nothing where nothing is missing", async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [prepare]);
    expect({ stdout, stderr }).to.deep.equal({ stdout: "", stderr: "" });
  });
});
