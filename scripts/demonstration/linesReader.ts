import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, StringStringEntryProtoSchema } from "onnx-buf";
import { SCAN_KEY } from "#execution/readScan.ts";
import { buildRecogniser } from "./recogniser.ts";

/**
 * Builds the demonstration model so that it reads many lines one after the other and answers line by line: the same graph,
 * which says of itself that its picture is cut into steps.
 *
 * Input `x`: float32 [steps, lines, 3, 48, width]. Outputs: `characters` and `confidences` [steps, lines, width / 8].
 */
export async function buildLinesReader(): Promise<Uint8Array> {
  const model = fromBinary(ModelProtoSchema, await buildRecogniser());
  const value = JSON.stringify({ scanned: ["x"] });
  model.metadataProps.push(create(StringStringEntryProtoSchema, { key: SCAN_KEY, value }));
  return toBinary(ModelProtoSchema, model);
}
