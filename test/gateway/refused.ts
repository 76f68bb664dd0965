import { expect } from "chai";
import { type ErrorCode, errorStatus, OpgError } from "#protocol/errors.ts";
import type { GatewayFixture } from "./gatewayFixture.ts";

/** Expects the status of the code, one sentence, no stack, and that nothing was forwarded to anyone. */
export async function refused(
  { facilitator, nodes }: GatewayFixture,
  response: Response,
  code: ErrorCode,
): Promise<void> {
  const text = await response.text();
  const error = OpgError.fromBody(JSON.parse(text));
  expect(error?.code, text).to.equal(code);
  expect(response.status).to.equal(errorStatus[code]);
  expect(error?.message).to.match(/^\S.{10,400}\.$/);
  expect(text).not.to.match(/\bat .*\.ts|node_modules/);
  expect(facilitator.calls, "calls to the facilitator").to.equal(0);
  expect(nodes[0].calls + nodes[1].calls, "calls to nodes").to.equal(0);
}
