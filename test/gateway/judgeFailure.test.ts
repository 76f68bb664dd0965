import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { z } from "zod";
import { judgeFailure } from "#gateway/judgeFailure.ts";
import { httpCall } from "#service/httpCall.ts";

describe("how a failed task is judged", () => {
  const call = {
    method: "GET" as const,
    answer: z.unknown(),
    timeoutSeconds: 5,
    unavailable: "node_unavailable" as const,
    maxBytes: 1_000,
  };
  const judged = (url: string) => httpCall({ ...call, url }).then(() => undefined, judgeFailure);

  it("suspects the payer of an answer that is too large, and takes the node for reachable", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify("a".repeat(1_000))));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      expect(await judged(url)).to.deep.equal({ outcome: "failed", otherCause: "payer" });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await judged(url)).to.deep.equal({ outcome: "unreachable", otherCause: "nobody" });
  });
});
