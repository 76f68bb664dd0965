import { z } from "zod";
import { modelListingJson } from "#protocol/model.ts";
import { httpCall } from "#service/httpCall.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

const answer = z.object({ models: z.array(modelListingJson) });

/** `opg models`: what the gateway offers, with prices and shapes. */
export default networkTask<object>(async ({ network }) => {
  const { models } = await httpCall({
    method: "GET",
    url: `${network.gateway}/v1/models`,
    answer,
    timeoutSeconds: 30,
    unavailable: "gateway_unavailable",
  });
  if (models.length === 0) return print("No model is published yet.");
  for (const { name, version, versionId, digest, meter, inputs, outputs, nodes } of models) {
    const shapes = (specs: typeof inputs): string =>
      specs.map((spec) => `${spec.name}: ${spec.dtype}[${spec.shape?.join(", ") ?? "..."}]`).join("; ");
    print(`${name}@${version}  run by ${nodes} active node${nodes === 1 ? "" : "s"}`);
    print(`  version  ${versionId}`);
    print(`  sha256   ${digest}`);
    print(
      `  price    ${opgText(meter.base)}, ${meter.perInputByte} units per byte in, ${meter.perOutputByte} per byte out`,
    );
    print(`  inputs   ${shapes(inputs)}`);
    print(`  outputs  ${shapes(outputs)}`);
  }
});
