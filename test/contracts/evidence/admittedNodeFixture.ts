import type { NetworkConnection } from "hardhat/types/network";
import { networkFixture } from "#test/contracts/fixture.ts";

/** A network with one admitted node. */
export async function admittedNodeFixture(connection: NetworkConnection) {
  const fixture = await networkFixture(connection);
  const admission = await fixture.makeAdmission();
  const { enclaveSignature, certificate } = await fixture.signAdmission(admission);
  const admitted = await fixture.nodeRegistry.admit(admission, enclaveSignature, certificate);
  return { ...fixture, admission, admitted };
}
