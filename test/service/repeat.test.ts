import { expect } from "chai";
import { createLogger } from "#service/logger.ts";
import { repeat } from "#service/repeat.ts";

const silent = createLogger("test", "silent");
const HOUR = 3600;

describe("repeat", () => {
  it("works at once, never twice at a time, and once more for what came in between", async () => {
    let finish: () => void = () => undefined;
    let runs = 0;
    let atOnce = 0;
    const repeated = repeat(
      "test",
      HOUR,
      async () => {
        runs += 1;
        atOnce += 1;
        expect(atOnce).to.equal(1);
        await new Promise<void>((resolve) => (finish = resolve));
        atOnce -= 1;
      },
      silent,
    );
    repeated.now();
    repeated.now();
    expect(runs).to.equal(1);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(runs).to.equal(2);
    const stopped = repeated.stop();
    finish();
    await stopped;
  });

  it("goes on after a failure, and not after its end", async () => {
    let runs = 0;
    const repeated = repeat(
      "test",
      0.001,
      () => {
        runs += 1;
        return Promise.reject(new Error("failed"));
      },
      silent,
    );
    while (runs < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    await repeated.stop();
    const atEnd = runs;
    repeated.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(runs).to.equal(atEnd);
  });
});
