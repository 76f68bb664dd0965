/** Builds what is published: one file for every platform with `fetch`, declarations, and the licences of what is inside. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const dist = join(here, "dist");

rmSync(dist, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [join(here, "index.ts")],
  outfile: join(dist, "index.js"),
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  absWorkingDir: join(here, "../.."),
  metafile: true,
});
writeFileSync(join(dist, "LICENSES.txt"), licencesOf(Object.keys(metafile.inputs)));

const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [compiler, "-p", join(here, "tsconfig.json")], { stdio: "inherit" });

/** Licence texts of every package that has a file inside the bundle. */
function licencesOf(files) {
  const folders = new Set(files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  return [...folders].sort().map(licenceOf).join("\n");
}

function licenceOf(folder) {
  const path = join(here, "../..", folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(path, file), "utf8") : `https://spdx.org/licenses/${license}.html`;
  return `${name} ${version} (${license})\n\n${text}\n`;
}
