import { readFile } from "node:fs/promises";
import { OpgError } from "#protocol/errors.ts";
import { type Network, networkJson } from "#protocol/network.ts";

/**
 * Reads a network's description.
 *
 * @param location - path or http(s) URL of `network.json`
 * @throws OpgError `configuration` when it cannot be read or says something else
 */
export async function loadNetwork(location: string): Promise<Network> {
  let content: unknown;
  try {
    content = JSON.parse(await readLocation(location));
  } catch (cause) {
    throw new OpgError(
      "configuration",
      `No network description could be read at ${location}; start one with "npm start" or set OPG_NETWORK.`,
      { location },
      { cause },
    );
  }
  const parsed = networkJson.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  throw new OpgError(
    "configuration",
    `The network description at ${location} has a wrong "${field}": ${issue?.message ?? "unreadable"}.`,
    { location, field },
  );
}

async function readLocation(location: string): Promise<string> {
  if (!/^https?:\/\//.test(location)) return readFile(location, "utf8");
  const response = await fetch(location, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return response.text();
}
