import { access, constants, statfs } from "node:fs/promises";
import type { Operations } from "#service/operations.ts";
import { addReadMetric } from "#service/readMetric.ts";

/** The hub's folder is a dependency: it can be written to. */
export function watchStorage({ registry, readiness }: Operations, folder: string): void {
  readiness.require("storage", async () => {
    await access(folder, constants.R_OK | constants.W_OK);
    return undefined;
  });
  const described = { name: "opg_storage_free_bytes", help: "Room that is left for blobs." };
  addReadMetric(registry, described, async () => {
    const { bavail, bsize } = await statfs(folder);
    return [{ value: bavail * bsize }];
  });
}
