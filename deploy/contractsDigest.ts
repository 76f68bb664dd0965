import { sha256, toUtf8Bytes } from "ethers";
import {
  ModelRegistry__factory,
  NodeRegistry__factory,
  OPG__factory,
  Settlement__factory,
  VerifierSet__factory,
  X402ExactPermit2Proxy__factory,
  X402UptoPermit2Proxy__factory,
} from "#typechain/index.ts";

/** What a network is deployed from; Settlement brings TaskEscrow with it, and that the facilitators' entries. */
const factories = [
  OPG__factory,
  VerifierSet__factory,
  Settlement__factory,
  NodeRegistry__factory,
  ModelRegistry__factory,
  X402ExactPermit2Proxy__factory,
  X402UptoPermit2Proxy__factory,
];

/** SHA-256 over the creation code of all contracts as they are built now. */
export function contractsDigest(): string {
  return sha256(toUtf8Bytes(factories.map(({ bytecode }) => bytecode).join()));
}
