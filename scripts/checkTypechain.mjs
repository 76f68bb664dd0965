// Fails when the committed typechain-types/ differ from what the contracts give. Run after a build, which makes them.
import { spawnSync } from "node:child_process";

const changed = [
  ...git("diff", "--name-only", "--", "typechain-types"),
  ...git("ls-files", "--others", "--exclude-standard", "--", "typechain-types"),
];

if (changed.length > 0) {
  process.stderr.write(`typechain-types/ is stale: commit it after \`npm run build\` (${changed.join(", ")})\n`);
  process.exitCode = 1;
}

function git(...parameters) {
  const { status, stdout, stderr } = spawnSync("git", parameters, { encoding: "utf8" });
  if (status !== 0) throw new Error(`git ${parameters[0]} failed: ${stderr}`);
  return stdout.split("\n").filter((line) => line !== "");
}
