import { shownText } from "./shownText.ts";
import { networkTask, print } from "./runTask.ts";

/** `opg nodes`: every node that was ever admitted, active ones first. */
export default networkTask<object>(async ({ nodeRegistry }) => {
  const nodes = await nodeRegistry.listNodes();
  if (nodes.length === 0) return print("No node was admitted yet.");
  for (const node of nodes.sort((a, b) => Number(b.isActive) - Number(a.isActive))) {
    print(`${node.address}  ${node.isActive ? "active" : `not active (${node.status})`}`);
    print(`  url          ${shownText(node.url) || "not announced"}`);
    print(`  operator     ${node.operator}, payout ${node.payout}`);
    print(`  measurement  ${node.measurement}`);
    print(`  TLS key      ${node.tlsKeyHash}`);
    print(`  lease until  ${new Date(node.leaseUntil * 1000).toISOString()}, admission ${node.sequence}`);
  }
});
