import { expect } from "chai";
import { getAddress, id } from "ethers";
import { askVerifier } from "#node/askVerifier.ts";
import { SealingKeys } from "#node/sealingKeys.ts";
import { type ErrorCode, OpgError } from "#protocol/errors.ts";
import type { SealingKey } from "#protocol/sealedRequest.ts";
import { createApp } from "#service/httpApp.ts";
import { type HttpServer, startHttpServer } from "#service/httpServer.ts";
import { createLogger } from "#service/logger.ts";
import { rejection } from "#test/execution/rejection.ts";

const address = getAddress(`0x${"a1".repeat(20)}`);
const settlement = { chainId: 31_337n, verifyingContract: address };
const taskId = id("task");

describe("asking a verifier", () => {
  let server: HttpServer;
  /** Its keys, one after the other with each question for one; the last one stays. */
  let keys: string[];
  /** What it refuses tasks with, likewise. */
  let refusals: ErrorCode[];
  let sealedTo: string[];
  let asked: number;

  const next = <Item>(items: Item[]): Item => (items.length > 1 ? items.shift()! : items[0]!);

  before(async () => {
    const app = createApp(createLogger("test", "silent"));
    app.get("/sealing-key", (context) =>
      context.json({ verifier: address, key: next(keys), signature: `0x${"00".repeat(65)}` }),
    );
    app.post("/tasks", () => {
      asked += 1;
      throw new OpgError(next(refusals), "No.");
    });
    server = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
  });
  after(() => server.close(0));

  /** What comes of asking a verifier that never commits. */
  async function refusalBy(itsKeys: string[], itsRefusals: ErrorCode[]): Promise<string> {
    [keys, refusals, sealedTo, asked] = [itsKeys, itsRefusals, [], 0];
    const asking = askVerifier(
      { address, url: server.url },
      {
        taskId,
        seal: async ({ key }: SealingKey) => {
          sealedTo.push(key);
          return { taskId, key, encapsulatedKey: key, ciphertext: "" };
        },
        sealingKeys: new SealingKeys(),
        signed: new Promise(() => undefined),
        settlement,
        deadline: 100,
        clock: () => 0,
      },
    );
    return (await rejection(asking)).code;
  }

  it("seals once to a key that the verifier says it does not know and goes on to publish", async () => {
    expect(await refusalBy([id("a")], ["sealing_key_unknown"])).to.equal("sealing_key_unknown");
    expect(sealedTo).to.deep.equal([id("a")]);
    expect(asked).to.equal(1);
  });

  it("seals to another key twice at most, however many the verifier has", async () => {
    const many = ["a", "b", "c", "d", "e"].map(id);
    expect(await refusalBy(many, ["sealing_key_unknown"])).to.equal("sealing_key_unknown");
    expect(sealedTo).to.deep.equal(["a", "b", "c"].map(id));
    expect(asked).to.equal(3);
  });

  it("sends a verifier that is full what it had sealed", async () => {
    expect(await refusalBy([id("a")], ["rate_limited", "invalid_release"])).to.equal("invalid_release");
    expect(sealedTo).to.deep.equal([id("a")]);
    expect(asked).to.equal(2);
  });
});
