import { readFileSync } from "node:fs";
import { expect } from "chai";
import { type ErrorCode, errorStatus, OpgError } from "#protocol/errors.ts";
import { refusalReasons } from "#protocol/verdict.ts";

const documentation = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

describe("errors", () => {
  it("are all documented under their status", () => {
    const headings = documentation.split("\n").filter((line) => line.startsWith("### "));
    for (const [code, status] of Object.entries(errorStatus)) {
      const heading = headings.find((line) => line.includes(`\`${code}\``));
      expect(heading, code).to.be.a("string");
      expect(heading, code).to.include(`(${status})`);
    }
  });

  it("document no code that does not exist", () => {
    const named = documentation.split("\n").filter((line) => line.startsWith("### "));
    const codes = named.flatMap((line) => [...line.matchAll(/`([a-z0-9_]+)`/g)].map((match) => match[1] as ErrorCode));
    expect(codes).to.have.members(Object.keys(errorStatus));
  });

  it("document every reason of a refusal", () => {
    for (const reason of refusalReasons) expect(documentation).to.include(`| \`${reason}\` `);
  });

  it("travel as a code, a sentence and values, amounts as decimal strings", () => {
    const body = new OpgError("task_underpaid", "Pay more.", { price: 10n ** 24n, given: 1, left: undefined }).toBody();
    expect(body).to.deep.equal({
      error: { code: "task_underpaid", message: "Pay more.", price: "1000000000000000000000000", given: 1 },
    });
  });

  it("are read back from another process, and only if the code is known", () => {
    const error = OpgError.fromBody(new OpgError("unknown_task", "Never opened.", { taskId: "0x1" }).toBody());
    expect(error).to.include({ code: "unknown_task", message: "Never opened.", status: 404 });
    expect(error?.values).to.deep.equal({ taskId: "0x1" });
    for (const body of [undefined, null, {}, { error: "no" }, { error: { code: "toString", message: "" } }]) {
      expect(OpgError.fromBody(body)).to.equal(undefined);
    }
  });

  it("are read back without values that no error has, and no longer than is of use", () => {
    const values = '"details":null,"list":[1],"infinite":1e999,"__proto__":"x","a b":1,"kept":true,"count":3';
    const error = OpgError.fromBody(JSON.parse(`{"error":{"code":"not_found","message":"x",${values}}}`));
    expect(error?.values).to.deep.equal({ kept: true, count: 3 });
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`value${index}`, index]));
    const body = { error: { code: "not_found", message: "x".repeat(3_000_000), ...many, long: "x".repeat(3_000_000) } };
    expect(JSON.stringify(OpgError.fromBody(body)?.toBody()).length).to.be.lessThan(10_000);
  });

  it("cannot have their code replaced by a value of the same name", () => {
    expect(new OpgError("internal", "Ours.", { code: "unknown_task" }).toBody().error.code).to.equal("internal");
  });
});
