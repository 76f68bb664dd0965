import { OpgError } from "../protocol/errors.ts";

const reasons = {
  not_admitted: "the registry does not know it",
  retired: "its operator ended it",
  revoked: "the verifiers ended it",
  lease_ended: "its admission has ended",
  lease_too_short: "its admission ends before the task's deadline",
  measurement_ended: "its measurement is not approved now",
  measurement_not_accepted: "it runs another measurement than those you insist on",
  identity_changed: "the chain said something else of it before, and that never changes: ask another rpcUrl",
  entry_mismatch: "what is told of it is not what the registry says",
  sealing_key: "the key to seal requests with is not the one that was admitted",
  tls_key: "who answers at its URL does not hold its TLS key",
} as const;

/** Why a node is refused. */
export type NodeRefusal = keyof typeof reasons;

/** A node that nothing is signed for, sealed to or asked. */
export function nodeRefused(
  node: string,
  reason: NodeRefusal,
  values: { field?: string; measurement?: string; leaseUntil?: number } = {},
): OpgError {
  const message = `The node ${node} is refused: ${reasons[reason]}. Nothing was signed for it; ask again for another node, or use another gateway.`;
  return new OpgError("node_refused", message, { node, reason, ...values });
}
