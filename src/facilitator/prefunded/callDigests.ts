import { domainSeparator, signedDigest, structHash } from "#protocol/structHash.ts";
import type { Release, Task } from "#protocol/task.ts";
import { type Domain, type SignedType, taskEscrowDomain, typesOf } from "#protocol/typedData.ts";
import type { Voucher } from "#protocol/voucher.ts";
import { fastKeccak } from "#service/fastKeccak.ts";

/** The EIP-712 digests that every call needs, in TaskEscrow's domain. */
export interface CallDigests {
  /** The taskId. */
  task(task: Task): string;
  voucher(voucher: Voucher): string;
  release(release: Release): string;
}

/** Computes once what is the same for all calls: types and domain. */
export function callDigests(taskEscrow: Domain): CallDigests {
  const separator = domainSeparator(taskEscrowDomain(taskEscrow));
  const digestOf = (type: SignedType) => {
    const hash = structHash(typesOf(type), type);
    return (value: object): string => signedDigest(separator, hash(value, fastKeccak), fastKeccak);
  };
  return { task: digestOf("Task"), voucher: digestOf("Voucher"), release: digestOf("Release") };
}
