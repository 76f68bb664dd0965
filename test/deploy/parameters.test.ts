import { expect } from "chai";
import { getAddress, id, toBeHex } from "ethers";
import { checkParameters } from "#deploy/checkParameters.ts";
import { type NetworkParameters, parametersOf } from "#deploy/parameters.ts";
import { OpgError } from "#protocol/errors.ts";

const measurement = id("measurement");
const account = (number: number): string => getAddress(toBeHex(number, 20));

const baseSepolia = {
  OPG_VERIFIERS: `${account(1)}, ${account(2)},${account(3)}`,
  OPG_GOVERNORS: account(4),
  OPG_TREASURY: account(5),
  OPG_INITIAL_HOLDER: account(6),
  OPG_FACILITATORS: account(7),
};

function thrownBy(action: () => unknown): OpgError {
  try {
    action();
  } catch (error) {
    if (error instanceof OpgError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("parametersOf", () => {
  it("reads a public network's people from the environment", () => {
    const parameters = parametersOf("baseSepolia", measurement, baseSepolia);
    expect(parameters.verifiers).to.deep.equal([account(1), account(2), account(3)]);
    expect(parameters.threshold).to.equal(3);
    expect(parameters.proposers).to.deep.equal([account(4)]);
    expect([parameters.treasury, parameters.initialHolder]).to.deep.equal([account(5), account(6)]);
    expect(parameters.facilitators).to.deep.equal([account(7)]);
  });

  it("takes simulated evidence on a public network only where its root is named, and AWS's always", () => {
    const without = parametersOf("baseSepolia", measurement, baseSepolia);
    expect(without.evidenceRoots).to.have.all.keys("nitro");
    expect(without.measurements).to.deep.equal([]);
    const OPG_SIMULATED_ROOT = id("root").slice(2).toUpperCase().match(/../g)!.join(":");
    const named = parametersOf("baseSepolia", measurement, { ...baseSepolia, OPG_SIMULATED_ROOT });
    expect(named.evidenceRoots?.simulated).to.deep.equal([id("root").slice(2)]);
    expect(named.measurements.map((approved) => approved.measurement)).to.deep.equal([measurement]);
    const wrong = { ...baseSepolia, OPG_SIMULATED_ROOT: account(8) };
    const error = thrownBy(() => parametersOf("baseSepolia", measurement, wrong));
    expect([error.code, error.values["variable"]]).to.deep.equal(["configuration", "OPG_SIMULATED_ROOT"]);
  });

  for (const variable of Object.keys(baseSepolia)) {
    it(`names ${variable} when it is missing or no address`, () => {
      for (const value of [undefined, "", "somebody"]) {
        const error = thrownBy(() => parametersOf("baseSepolia", measurement, { ...baseSepolia, [variable]: value }));
        expect([error.code, error.values["variable"]]).to.deep.equal(["configuration", variable]);
        expect(error.message).to.include(variable);
      }
    });
  }

  it("knows no other network", () => {
    const error = thrownBy(() => parametersOf("mainnet", measurement, baseSepolia));
    expect([error.code, error.values["networkName"]]).to.deep.equal(["configuration", "mainnet"]);
  });
});

describe("checkParameters", () => {
  const broken: Record<string, (good: NetworkParameters) => Partial<NetworkParameters>> = {
    "verifiers must be distinct": ({ verifiers }) => ({ verifiers: [...verifiers, ...verifiers], threshold: 4 }),
    "threshold must be above half": () => ({ threshold: 1 }),
    "threshold must not exceed": () => ({ threshold: 4 }),
    "maxTaskSeconds must be above 0": () => ({ maxTaskSeconds: 0 }),
    "settleWindowSeconds must be above 0": () => ({ settleWindowSeconds: 0 }),
    "withdrawDelaySeconds must exceed": ({ maxTaskSeconds, settleWindowSeconds }) => ({
      withdrawDelaySeconds: maxTaskSeconds + settleWindowSeconds + 1,
    }),
    "installDelaySeconds must exceed": ({ withdrawDelaySeconds }) => ({ installDelaySeconds: withdrawDelaySeconds }),
    "graceSeconds must reach": (good) => ({ graceSeconds: good.maxTaskSeconds + good.settleWindowSeconds - 1 }),
    "closeSeconds must exceed graceSeconds": ({ graceSeconds }) => ({ closeSeconds: graceSeconds }),
    "maxLeaseSeconds must exceed": ({ maxTaskSeconds }) => ({ maxLeaseSeconds: maxTaskSeconds }),
    "timelockDelaySeconds must be above 0": () => ({ timelockDelaySeconds: 0 }),
    "there must be a proposer and an executor": () => ({ executors: [] }),
    "every measurement's from": () => ({ measurements: [{ measurement, from: 1, until: 1 }] }),
  };
  for (const [rule, change] of Object.entries(broken)) {
    it(`insists: ${rule}`, () => {
      const good = parametersOf("local", measurement, {});
      const error = thrownBy(() => checkParameters({ ...good, ...change(good) }));
      expect(error.code).to.equal("configuration");
      expect(error.message).to.include(rule);
    });
  }

  it("accepts what every configured network is deployed with", () => {
    for (const name of ["default", "local", "baseSepolia"]) {
      expect(() => checkParameters(parametersOf(name, measurement, baseSepolia))).not.to.throw();
    }
  });
});
