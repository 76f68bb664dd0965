import { expect } from "chai";
import { OpgError } from "#protocol/errors.ts";
import { daemonVariables, limitVariables, readConfig } from "#service/config.ts";

const variables = { ...daemonVariables, ...limitVariables };
const least = { OPG_NETWORK: "network.json", OPG_PORT: "0" };

function refusal(changes: Record<string, string>): string {
  try {
    readConfig(variables, { ...least, ...changes });
  } catch (error) {
    if (error instanceof OpgError && error.code === "configuration") return error.message;
  }
  return expect.fail(`it takes ${JSON.stringify(changes)}`);
}

describe("readConfig", () => {
  it("sets no limit, trusts nobody and bears two minutes without a block where nothing is said", () => {
    const config = readConfig(variables, least);
    expect(config).to.include({ OPG_RATE_PER_SECOND: 0, OPG_MAX_BLOCK_AGE_SECONDS: 120 });
    expect(config.OPG_TRUSTED_PROXIES).to.equal(undefined);
    expect(config.OPG_RATE_BURST).to.equal(undefined);
  });

  it("reads a rate, a burst and proxies", () => {
    const given = { OPG_RATE_PER_SECOND: "0.5", OPG_RATE_BURST: "3", OPG_TRUSTED_PROXIES: "10.0.0.0/8, ::1" };
    const config = readConfig(variables, { ...least, ...given });
    expect(config).to.include({ OPG_RATE_PER_SECOND: 0.5, OPG_RATE_BURST: 3 });
    expect(config.OPG_TRUSTED_PROXIES?.check("10.9.9.9")).to.equal(true);
    expect(config.OPG_TRUSTED_PROXIES?.check("11.0.0.1")).to.equal(false);
  });

  it("reads one endpoint of the chain, or several", () => {
    const endpointsIn = (text: string) => readConfig(variables, { ...least, OPG_RPC_URL: text }).OPG_RPC_URL;
    expect(endpointsIn("http://one/key")).to.deep.equal(["http://one/key"]);
    expect(endpointsIn("http://one, https://two:8545/key")).to.deep.equal(["http://one", "https://two:8545/key"]);
  });

  it("names a wrong endpoint by its place, and repeats nothing of it", () => {
    const words = refusal({ OPG_RPC_URL: "http://one/secret,two/secret" });
    expect(words).to.equal("OPG_RPC_URL is wrong: endpoint 2 of 2 is no http or https URL; set it and start again.");
  });

  const mistakes: [string, string][] = [
    ["OPG_PORT", ""],
    ["OPG_PORT", "0x50"],
    ["OPG_PORT", "65536"],
    ["OPG_MAX_BLOCK_AGE_SECONDS", "0"],
    ["OPG_RATE_PER_SECOND", "-1"],
    ["OPG_RATE_PER_SECOND", "1e3"],
    ["OPG_RATE_PER_SECOND", ""],
    ["OPG_RPC_URL", ""],
    ["OPG_RPC_URL", "ws://127.0.0.1:8545"],
    ["OPG_RPC_URL", "http://127.0.0.1:8545,"],
    ["OPG_RPC_URL", "http://127.0.0.1:8545, http://127.0.0.1:8545/"],
    ["OPG_RATE_BURST", "0"],
    ["OPG_TRUSTED_PROXIES", "10.0.0.0/99"],
    ["OPG_TRUSTED_PROXIES", "proxy.local"],
  ];
  for (const [variable, value] of mistakes) {
    it(`names ${variable} where it is "${value}"`, () => {
      expect(refusal({ [variable]: value })).to.match(new RegExp(`^${variable} is wrong: `));
    });
  }
});
