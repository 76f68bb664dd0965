import { Trails } from "#gateway/trails.ts";
import { createLogger } from "#service/logger.ts";
import { readTaskId } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { trailText } from "./trailText.ts";

/** `opg trace`: the facilitator's record for what was said, the chain for what was paid, and whether the sums agree. */
export default networkTask<{ task: string; json: boolean }>(async (opened, { task, json }) => {
  const { nodeRegistry: nodes, modelRegistry: models } = opened;
  const trails = new Trails({ ...opened, nodes, models, logger: createLogger("trace", "silent") });
  const trail = await trails.read(readTaskId(task));
  print(json ? JSON.stringify(trail) : trailText(trail));
});
