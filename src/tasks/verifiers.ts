import { verifierInfoJson } from "#protocol/messages.ts";
import { httpCall } from "#service/httpCall.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

/** `opg verifiers`: the set in force, what each verifier did, and what it has earned. */
export default networkTask<object>(async ({ network, verifierSet, taskEscrow, settlement }) => {
  const { epoch, members, threshold } = await verifierSet.current();
  const pool = await settlement.poolOf(epoch);
  print(
    `Epoch ${epoch}: ${threshold} of ${members.length} certify; ${pool.settledTasks} tasks settled, ${opgText(pool.verifierAmount)} in the pool.`,
  );
  for (const member of members) {
    const url = network.verifiers.find(({ address }) => address === member)?.url;
    const info = url === undefined ? undefined : await verifierInfo(url);
    const work = info === undefined ? "does not answer" : `agreed ${info.agreed}, refused ${info.refused}`;
    print(`${member}  ${work}`);
    print(`  url     ${url ?? "unknown"}`);
    print(`  earned  ${opgText(await taskEscrow.earningsOf(member))}`);
  }
});

async function verifierInfo(url: string) {
  const call = {
    method: "GET" as const,
    url: `${url}/info`,
    answer: verifierInfoJson,
    timeoutSeconds: 3,
    unavailable: "verifier_unavailable" as const,
  };
  return httpCall(call).catch(() => undefined);
}
