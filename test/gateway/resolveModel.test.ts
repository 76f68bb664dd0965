import { expect } from "chai";
import { id } from "ethers";
import { resolveModel } from "#gateway/resolveModel.ts";

const version = (name: string, label: string, modelId: string) => ({
  name,
  label,
  modelId,
  versionId: id(name + label + modelId),
});

describe("resolveModel", () => {
  const first = version("ocr", "1", "a");
  const second = version("ocr", "2", "a");
  const relabelled = { ...version("ocr", "1", "a"), versionId: id("the same label again") };
  const copycat = version("ocr", "3", "b");
  const versions = [first, second, relabelled, copycat];

  it("takes a name for the newest version of the model that had it first", () => {
    expect(resolveModel([first, second, copycat], "ocr")).to.equal(second);
  });

  it("takes name@version for the first version of that label, which nobody can take over", () => {
    expect(resolveModel(versions, "ocr@1")).to.equal(first);
    expect(() => resolveModel(versions, "ocr@3"))
      .to.throw()
      .with.property("code", "unknown_model");
  });

  it("takes a versionId in any case for that version", () => {
    expect(resolveModel(versions, copycat.versionId.toUpperCase().replace("0X", "0x"))).to.equal(copycat);
  });

  it("splits at the last @, as names may hold one", () => {
    const odd = version("me@home", "1", "c");
    expect(resolveModel([odd], "me@home@1")).to.equal(odd);
    expect(resolveModel([odd], "me@home")).to.equal(odd);
  });
});
