import { type ErrorDescription, Interface, isCallException, isHexString, type ParamType } from "ethers";
import {
  FacilitatorEntry__factory,
  ModelRegistry__factory,
  NodeRegistry__factory,
  OPG__factory,
  Settlement__factory,
  TaskEscrow__factory,
  VerifierSet__factory,
  X402ExactPermit2Proxy__factory,
  X402UptoPermit2Proxy__factory,
} from "#typechain/index.ts";

/** Errors of the contracts that a call of ours passes through but whose types are not generated. */
const foreignErrors = new Interface([
  "error InvalidNonce()",
  "error InvalidSigner()",
  "error InvalidContractSignature()",
  "error InvalidSignature()",
  "error InvalidSignatureLength()",
  "error SignatureExpired(uint256 signatureDeadline)",
  "error InvalidAmount(uint256 maxAmount)",
]);

const interfaces = [
  TaskEscrow__factory.createInterface(),
  FacilitatorEntry__factory.createInterface(),
  Settlement__factory.createInterface(),
  VerifierSet__factory.createInterface(),
  NodeRegistry__factory.createInterface(),
  ModelRegistry__factory.createInterface(),
  OPG__factory.createInterface(),
  X402ExactPermit2Proxy__factory.createInterface(),
  X402UptoPermit2Proxy__factory.createInterface(),
  foreignErrors,
];

/** Why a contract refused a call. */
export interface Revert {
  /** Name of the Solidity error. */
  name: string;
  /** Its values by name, numbers as decimal strings. */
  values: Record<string, string>;
  /** Name and values in words, such as `deadline passed (deadline 1700000000)`. */
  words: string;
}

/**
 * Reads a revert of OPG's contracts, x402's proxies, Permit2 or the token out of an error that ethers threw, or out of revert data.
 *
 * @returns nothing when it is no revert, or one of a contract that is not ours
 */
export function decodeRevert(thrown: unknown): Revert | undefined {
  const data = isHexString(thrown) ? thrown : revertData(thrown);
  if (data === undefined || data.length < 10) return undefined;
  for (const candidate of interfaces) {
    const description = candidate.parseError(data);
    if (description) return describe(description);
  }
  return undefined;
}

/** Whether a contract refused a call, as ethers says it or as Hardhat's own provider does. */
export function isRevert(thrown: unknown): boolean {
  return isCallException(thrown) || revertData(thrown) !== undefined;
}

function describe({ name, fragment, args }: ErrorDescription): Revert {
  const values = Object.fromEntries(fragment.inputs.map((input, index) => [nameOf(input), String(args[index])]));
  if (name === "Error" && values["reason"] !== undefined) return { name, values, words: values["reason"] };
  const listed = Object.entries(values).map(([key, value]) => `${inWords(key)} ${value}`);
  return { name, values, words: listed.length > 0 ? `${inWords(name)} (${listed.join(", ")})` : inWords(name) };
}

/** Solidity's own `Error(string)` and `Panic(uint256)` leave their value unnamed. */
function nameOf({ name, type }: ParamType): string {
  if (name !== "") return name;
  return type === "string" ? "reason" : "code";
}

function inWords(camelCase: string): string {
  return camelCase.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
}

/** The data of a revert, wherever it stands: ethers keeps it in `data`; other providers nest it below `error` or `info`, or in `data.data`. */
export function revertData(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  const { data } = thrown as { data?: unknown };
  if (isHexString(data)) return data;
  for (const key of ["data", "error", "info", "cause"] as const) {
    const found = revertData((thrown as Record<string, unknown>)[key]);
    if (found !== undefined) return found;
  }
  return undefined;
}
