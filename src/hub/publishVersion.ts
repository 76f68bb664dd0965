import type { Signer } from "ethers";
import { sha256, toUtf8Bytes } from "ethers";
import { request } from "undici";
import { storageId } from "#blobs/storageId.ts";
import type { ModelRegistryAdapter } from "#chain/modelRegistry.ts";
import { submitCall } from "#chain/submitCall.ts";
import { inspectModel } from "#execution/inspectModel.ts";
import { profileDigest } from "#execution/profile.ts";
import { OpgError } from "#protocol/errors.ts";
import type { Meter } from "#protocol/meter.ts";
import { modelIdOf, type ModelVersion, onnxFormat, versionIdOf } from "#protocol/model.ts";

const UPLOAD_TIMEOUT_MS = 300_000;

/** A version to publish: an ONNX file with its names and its price. */
export interface NewVersion {
  bytes: Uint8Array;
  name: string;
  label: string;
  meter: Meter;
}

/** Where it is published, and by whom. */
export interface PublishPlace {
  modelRegistry: ModelRegistryAdapter;
  publisher: Signer;
  hubUrl: string;
}

/**
 * Registers a version on chain, in the reproducible profile, and hands its bytes to the hub. What was done before is not
 * done again, so a run that broke off can be repeated.
 *
 * @returns the versionId
 * @throws OpgError `invalid_model`, `hub_unavailable`; CallReverted when the registry refuses
 */
export async function publishVersion({ bytes, name, label, meter }: NewVersion, place: PublishPlace): Promise<string> {
  const { modelRegistry, publisher, hubUrl } = place;
  const model = inspectModel(bytes);
  const salt = sha256(toUtf8Bytes(name));
  const version: ModelVersion = {
    modelId: modelIdOf(await publisher.getAddress(), salt),
    contentDigest: model.digest,
    storageId: (await storageId(bytes)).hex,
    format: onnxFormat,
    profile: profileDigest,
    meter,
  };
  const versionId = versionIdOf(version);
  if (!(await modelRegistry.version(versionId))) {
    if (!(await modelRegistry.model(version.modelId))) {
      await submitCall(publisher, modelRegistry.populateCreateModel(salt, name));
    }
    await submitCall(publisher, modelRegistry.populatePublishVersion(version, label));
  }
  await upload(hubUrl, model.digest, bytes);
  return versionId;
}

async function upload(hubUrl: string, digest: string, bytes: Uint8Array): Promise<void> {
  const url = `${hubUrl}/blobs/${digest}`;
  const unavailable = (cause?: unknown): OpgError =>
    new OpgError(
      "hub_unavailable",
      `The hub at ${hubUrl} does not take the model's bytes; publish again later.`,
      { url: hubUrl },
      { cause },
    );
  const answer = await request(url, {
    method: "PUT",
    body: bytes,
    signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw unavailable(cause);
  });
  const content = await answer.body.text();
  if (answer.statusCode < 300) return;
  throw OpgError.fromBody(JSON.parse(content || "null")) ?? unavailable();
}
