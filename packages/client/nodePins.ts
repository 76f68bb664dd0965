import { identityFields, type NodeIdentity } from "./admittedNode.ts";
import type { ClientState } from "./clientState.ts";
import { nodeRefused } from "./nodeRefusal.ts";

/** Above this many the one that was met first goes, however often it was met since: a restarted enclave is a new node, and the state is written at every payment. */
const MAX_PINS = 256;

/**
 * Remembers who a node is, the first time, and holds every later word of the chain to it.
 *
 * @param registry - name of chain and contract together
 * @throws OpgError `node_refused`
 */
export function pinNode(state: ClientState, registry: string, identity: NodeIdentity): Promise<void> {
  const { node, operator, payout, measurement, tlsKeyHash } = identity;
  return state.update((content) => {
    const pinned = content.nodes.find((one) => one.registry === registry && one.node === node);
    if (!pinned) {
      const nodes = [...content.nodes, { registry, node, operator, payout, measurement, tlsKeyHash }];
      return { content: { ...content, nodes: nodes.slice(-MAX_PINS) }, value: undefined };
    }
    const field = identityFields.find((name) => pinned[name] !== identity[name]);
    if (field !== undefined) throw nodeRefused(node, "identity_changed", { field });
    return { content, value: undefined };
  });
}
