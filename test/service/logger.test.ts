import { expect } from "chai";
import { createLogger } from "#service/logger.ts";

describe("a log line", () => {
  function lineOf(fields: object): Record<string, unknown> {
    let written = "";
    createLogger("test", "info", { write: (line) => (written += line) }).info(fields, "done");
    return JSON.parse(written) as Record<string, unknown>;
  }

  it("shows no secret, wherever it stands", () => {
    const signed = { payer: "somebody", signature: "0x1234" };
    const line = lineOf({ key: "0x5678", payment: signed, inputs: ["a prompt"] });
    expect(line).to.deep.include({ key: "[censored]", inputs: "[censored]", msg: "done", level: "info" });
    expect(line["payment"]).to.deep.equal({ payer: "somebody", signature: "[censored]" });
    expect(signed.signature).to.equal("0x1234");
  });

  it("says of an error what happened, and nothing that it carries", () => {
    const error = Object.assign(new Error("failed"), { code: "no_luck", key: "0x5678", signature: "0x1234" });
    const { err } = lineOf({ err: error }) as { err: object };
    expect(err).to.include({ type: "Error", code: "no_luck", message: "failed" });
    expect(JSON.stringify(err)).not.to.match(/0x/);
  });
});
