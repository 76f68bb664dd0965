import { globSync } from "node:fs";
import { overrideTask } from "hardhat/config";
import type { TaskOverrideDefinition } from "hardhat/types/tasks";

/**
 * Without files named, Hardhat gives mocha every TypeScript and JavaScript file below `test/`. Programs that the tests
 * start lie there too, so the `*.test.ts` files are picked instead.
 */
export const mochaTestFiles: TaskOverrideDefinition = overrideTask(["test", "mocha"])
  .setAction(async () => ({
    default: (parameters, hre, runSuper): Promise<unknown> => {
      leaveErrorsToMocha();
      const named = Array.isArray(parameters["testFiles"]) && parameters["testFiles"].length > 0;
      if (named) return runSuper(parameters);
      const testFiles = globSync("test/**/*.test.ts", { cwd: hre.config.paths.root }).sort();
      return runSuper({ ...parameters, testFiles });
    },
  }))
  .build();

/**
 * Where nobody handles an error, Hardhat ends the process, and every test to come with it. Mocha fails the test that runs,
 * if it is let to.
 */
function leaveErrorsToMocha(): void {
  process.removeAllListeners("uncaughtException").removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => {
    throw reason;
  });
}
