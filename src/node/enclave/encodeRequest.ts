import { OpgError } from "#protocol/errors.ts";
import type { ReleasedRequest } from "#protocol/messages.ts";
import { taskToJson } from "#protocol/task.ts";
import { tensorBytes, tensorsFromJson, tensorsToJson } from "#protocol/tensors.ts";
import { MAX_REQUEST_BYTES } from "./messages.ts";

/** A request with its tensors as base64: an array of numbers takes many times as much, held as well as written. */
export interface CompactRequest {
  request: ReleasedRequest;
  /** As verifiers get it, before it is sealed. */
  bytes: Uint8Array;
}

/**
 * Writes a request in the form that it is kept and sealed in. Numbers can take more bytes there than they came in.
 *
 * @throws OpgError `body_too_large` where verifiers would not take it; `invalid_tensor`
 */
export function encodeRequest({ task, ...released }: ReleasedRequest, maxBytes = MAX_REQUEST_BYTES): CompactRequest {
  const tensors = tensorsFromJson(released.inputs);
  // Known before they are written: base64 takes four bytes for three.
  if ((tensorBytes(tensors) * 4n) / 3n > maxBytes) throw tooLarge(maxBytes);
  const compact = { ...released, inputs: tensorsToJson(tensors) };
  const bytes = Buffer.from(JSON.stringify({ ...compact, task: taskToJson(task) }));
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return { request: { ...compact, task }, bytes };
}

function tooLarge(maxBodyBytes: number): OpgError {
  const message = `The inputs take more than ${maxBodyBytes} bytes as verifiers get them; nothing was computed. Send less.`;
  return new OpgError("body_too_large", message, { maxBodyBytes });
}
