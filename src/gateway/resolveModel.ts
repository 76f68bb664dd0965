import { OpgError } from "#protocol/errors.ts";

/** What a version is found by. */
export interface NamedVersion {
  name: string;
  label: string;
  versionId: string;
  modelId: string;
}

/**
 * Finds the version that a caller means. Names and labels are not unique, so each means who had it first: a `name` is
 * the model that took it first, and there the newest version; `name@version` that model's first version of this label.
 * So nobody takes over a name, or a label of his own model, that others rely on.
 *
 * @param versions - oldest first
 * @param wanted - `name`, `name@version` or a versionId
 * @throws OpgError `unknown_model`
 */
export function resolveModel<Version extends NamedVersion>(versions: readonly Version[], wanted: string): Version {
  const found =
    versions.find(({ versionId }) => versionId === wanted.toLowerCase()) ??
    ofFirstModel(versions, wanted).at(-1) ??
    byLabel(versions, wanted);
  if (found) return found;
  throw new OpgError("unknown_model", `No model "${wanted}" is published here; GET /v1/models lists those that are.`, {
    model: wanted,
  });
}

function byLabel<Version extends NamedVersion>(versions: readonly Version[], wanted: string): Version | undefined {
  const at = wanted.lastIndexOf("@");
  if (at < 0) return undefined;
  return ofFirstModel(versions, wanted.slice(0, at)).find(({ label }) => label === wanted.slice(at + 1));
}

function ofFirstModel<Version extends NamedVersion>(versions: readonly Version[], name: string): Version[] {
  const first = versions.find((version) => version.name === name);
  return first ? versions.filter(({ modelId }) => modelId === first.modelId) : [];
}
