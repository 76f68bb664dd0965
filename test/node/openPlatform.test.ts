import { expect } from "chai";
import { writeSimulatedRoot } from "#attestation/nitro/simulated.ts";
import { openPlatform, platformVariables } from "#node/enclave/openPlatform.ts";
import { systemClock } from "#service/clock.ts";
import { readConfig } from "#service/config.ts";
import { testPlatform, testRoot } from "#test/attestation/testRoot.ts";
import { rejection } from "#test/execution/rejection.ts";

const pem = writeSimulatedRoot(testRoot);
const open = async (environment: Record<string, string>) =>
  openPlatform(readConfig(platformVariables, environment), systemClock);

describe("A node's platform", () => {
  it("is simulated where a root's certificate and key are given", async () => {
    const { kind, measurement } = await open({ OPG_SIMULATED_ROOT_KEY: pem });
    expect([kind, measurement]).to.deep.equal(["simulated", testPlatform(systemClock).measurement]);
  });

  it("is the one that is named, so there must be one and no other", async () => {
    for (const environment of [{}, { OPG_SIMULATED_ROOT_KEY: pem, OPG_NITRO_COMMAND: "/nsm" }]) {
      const { code, message } = await rejection(open(environment));
      expect(code).to.equal("configuration");
      expect(message).to.include("OPG_SIMULATED_ROOT_KEY").and.include("OPG_NITRO_COMMAND");
    }
    expect((await rejection(open({ OPG_NITRO_COMMAND: "/missing" }))).code).to.equal("platform_unavailable");
  });

  it("is not opened with half a root, or two halves that do not belong together", async () => {
    const { certificate } = testRoot;
    const [, ...others] = pem.split("-----END CERTIFICATE-----");
    for (const wrong of ["root", certificate, others.join(""), pem.replace(/KEY-----\n..../, "KEY-----\nAAAA")]) {
      const { code, message } = await rejection(open({ OPG_SIMULATED_ROOT_KEY: wrong }));
      expect(code).to.equal("configuration");
      expect(message).to.match(/^OPG_SIMULATED_ROOT_KEY is wrong: must be a certificate and its key in PEM, but /);
    }
  });
});
