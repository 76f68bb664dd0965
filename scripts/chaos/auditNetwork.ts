import type { Provider } from "ethers";
import { OpgAdapter } from "#chain/opg.ts";
import { SettlementAdapter } from "#chain/settlement.ts";
import { TaskEscrowAdapter } from "#chain/taskEscrow.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import type { Finding } from "./judgePayment.ts";
import type { ChaosProcesses } from "./processes.ts";
import { holdsWithin } from "./within.ts";

const PATIENCE_SECONDS = 30;
/** The one epoch of a network that never hands over. */
const EPOCH = 1n;

/** What must hold once every trial of a network has ended: nothing is owed, on its way or left over. */
export async function auditNetwork(processes: ChaosProcesses, chain: Provider): Promise<Finding[]> {
  let findings: Finding[] = [];
  await holdsWithin(PATIENCE_SECONDS, async () => {
    findings = [
      ...(await auditOutbox(processes, chain)),
      ...(await auditClaims(processes)),
      ...(await auditEscrow(processes, chain)),
    ];
    return findings.length === 0;
  });
  return findings;
}

/** Every nonce that was given out is used up on chain. */
async function auditOutbox({ books }: ChaosProcesses, chain: Provider): Promise<Finding[]> {
  const { rows } = await books.query<{ signer: string; nonces: number; sent: number }>(
    `select signer, max(nonce) + 1 as nonces, (count(*) filter (where status = 'sent'))::int as sent
    from transactions group by signer`,
  );
  const found = rows.map(async ({ signer, nonces, sent }): Promise<Finding[]> => {
    const used = await chain.getTransactionCount(signer);
    const words = `signer ${signer} has ${sent} transactions sent, ${nonces} nonces given out and ${used} used on chain`;
    return sent > 0 || used < nonces ? [{ kind: "unresolved", words }] : [];
  });
  return (await Promise.all(found)).flat();
}

async function auditClaims({ books }: ChaosProcesses): Promise<Finding[]> {
  const { rows } = await books.query<{ count: number; amount: string }>(
    "select count(*)::int as count, coalesce(sum(amount), 0) as amount from claims where exposed",
  );
  const { count = 0, amount = "0" } = rows[0] ?? {};
  return count > 0 ? [{ kind: "unresolved", words: `${amount} atomic units are owed still by ${count} claims` }] : [];
}

/** What it holds is what nodes and verifiers have earned, as no task is open any more. */
async function auditEscrow({ network }: ChaosProcesses, chain: Provider): Promise<Finding[]> {
  const { contracts } = network;
  const escrow = new TaskEscrowAdapter(contracts.taskEscrow, chain);
  const settlement = new SettlementAdapter(contracts.settlement, chain);
  const held = await new OpgAdapter(contracts.opg, chain).balanceOf(contracts.taskEscrow);
  const pool = await settlement.poolOf(EPOCH);
  const earned = await escrow.earningsOf(localAccount("operator1").address);
  const owed = pool.verifierAmount + pool.treasuryAmount + earned;
  if (held === owed) return [];
  const words = `TaskEscrow holds ${held} atomic units, and owes ${owed} to nodes, verifiers and treasury`;
  return [{ kind: held < owed ? "lost" : "unresolved", words }];
}
