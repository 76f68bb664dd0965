import { expect } from "chai";
import fc from "fast-check";
import { seed } from "#test/badInput/seed.ts";
import { Circuit } from "#gateway/circuit.ts";

const limits = { faults: 3, firstSeconds: 5, longestSeconds: 40 };

describe(`a circuit (OPG_FUZZ_SEED=${seed})`, () => {
  let circuit: Circuit;

  beforeEach(() => {
    circuit = new Circuit(limits);
  });

  const failTimes = (count: number, now: number): void => {
    for (let times = 0; times < count; times++) circuit.failed(now);
  };

  it("opens at the third fault in a row, lets one be tried after a while, and closes when that holds", () => {
    failTimes(2, 100);
    expect(circuit.state(100)).to.equal("closed");
    circuit.failed(100);
    expect(circuit.state(104)).to.equal("open");
    expect(circuit.state(105)).to.equal("half_open");
    circuit.succeeded(105);
    expect(circuit.state(105)).to.equal("closed");
  });

  it("opens for twice as long each time, within a limit, until it has answered for some time", () => {
    failTimes(3, 0);
    let now = 0;
    for (const seconds of [5, 10, 20, 40, 40]) {
      expect(circuit.state(now + seconds - 1)).to.equal("open");
      now += seconds;
      expect(circuit.state(now)).to.equal("half_open");
      circuit.failed(now);
    }
    now += 40;
    for (let answers = 0; answers < 6; answers++) circuit.succeeded(now);
    failTimes(3, now);
    expect(circuit.state(now + 4)).to.equal("open");
    expect(circuit.state(now + 5)).to.equal("half_open");
  });

  it("opens in the end for who fails one time in three, and not for who fails one time in five", () => {
    const opens = (every: number): boolean => {
      const tried = new Circuit(limits);
      for (let task = 1; task <= 60; task++) {
        if (task % every === 0) tried.failed(0);
        else tried.succeeded(0);
      }
      return tried.state(0) === "open";
    };
    expect(opens(3)).to.equal(true);
    expect(opens(5)).to.equal(false);
  });

  it("is told nothing by tasks that were begun before it opened", () => {
    failTimes(3, 0);
    circuit.succeeded(1);
    failTimes(5, 1);
    expect(circuit.state(4)).to.equal("open");
    expect(circuit.state(5)).to.equal("half_open");
  });

  it("is never opened by one payer, nor kept open by it, whatever that does", () => {
    const turns = fc.array(fc.constantFrom("answered", "suspected"), { maxLength: 60 });
    fc.assert(
      fc.property(turns, fc.boolean(), (moves, wasOpen) => {
        const tried = new Circuit(limits);
        if (wasOpen) for (let times = 0; times < 3; times++) tried.failed(0);
        const states = moves.map((move) => {
          if (move === "answered") tried.succeeded(5);
          else tried.suspected(5, "one payer");
          return tried.state(5);
        });
        return !states.includes("open");
      }),
      { seed, numRuns: 100 },
    );
  });

  it("opens when three payers in a row had no answer", () => {
    circuit.suspected(0, "a");
    circuit.suspected(0, "b");
    circuit.succeeded(0);
    circuit.suspected(0, "c");
    circuit.suspected(0, "a");
    expect(circuit.state(0)).to.equal("closed");
    circuit.suspected(0, "b");
    expect(circuit.state(0)).to.equal("open");
  });
});
