import { html } from "hono/html";
import { isFreeOfCharge, type Trail, trailProblems, type TransactionPurpose, wasLocked } from "#protocol/settlement.ts";
import type { TaskState } from "#protocol/task.ts";
import { type Html, page } from "./page.ts";
import { tokenAmount } from "./tokenAmount.ts";

/** Where the task stands, in a sentence for a stranger. */
const stateSentences: Record<TaskState, string> = {
  claimed: "The payment was checked and claimed; the node is about to be told.",
  rejected: "The payment could not be locked, so nothing was computed and nothing was charged.",
  released: "The payment is claimed and the node may compute.",
  answered: "The node has answered; the verifiers are checking.",
  certified: "Enough verifiers agreed; the settlement is on its way to the chain.",
  settled: "The answer was checked and paid for.",
  refused: "The verifiers refused the answer; nothing is charged, and what was locked is on its way back.",
  expired: "No checked answer came in time; nothing is charged, and what was locked is on its way back.",
  refunded: "Nothing was charged; the payer has all of the money.",
};

const purposeWords: Record<TransactionPurpose, string> = {
  approve: "Permit2 allowed",
  open: "Money locked",
  capture: "Charge collected and divided",
  settle: "Charge divided",
  refuse: "Result refused",
  refund: "Money returned",
  batch: "Charges of many calls divided",
  authorize: "Signer authorized",
  clear: "Nonce cleared",
};
const roleWords = { node: "Node", verifiers: "Verifiers (pool)", treasury: "Treasury" };

/** The trail of a task for people: every part links to those it rests on. */
export function taskPage(trail: Trail): Html {
  return page(
    "The trail of a task",
    html`<p><code>${trail.taskId}</code></p>
      <p>${stateSentences[trail.state]}</p>
      <nav>
        <a href="#payer">Who paid</a><a href="#node">Who computed</a><a href="#model">With which model</a
        ><a href="#verifiers">Who checked</a><a href="#money">Where the money went</a
        ><a href="#transactions">Transactions</a>
      </nav>
      ${payerSection(trail)} ${nodeSection(trail)} ${modelSection(trail)} ${verifiersSection(trail)}
      ${moneySection(trail)} ${transactionsSection(trail)}
      <p><a href="/v1/tasks/${trail.taskId}">This trail as JSON</a> <a href="/">Home</a></p>`,
  );
}

function payerSection({ payer, maxAmount, facilitator, request, node }: Trail): Html {
  return html`<h2 id="payer">Who paid</h2>
    <table>
      ${row("Payer", code(payer))} ${row("Allowed at most", tokenAmount(maxAmount))}
      ${row("Released by facilitator", code(facilitator))} ${row("Digest of the request", code(request))}
    </table>
    <p>The payer signed for one node only: <a href="#node">${node.address}</a>.</p>`;
}

function nodeSection({ node, model, response }: Trail): Html {
  return html`<h2 id="node">Who computed</h2>
    <table>
      ${row("Node (enclave key)", code(node.address))} ${row("Operator", code(node.operator))}
      ${row("Paid out to", html`<a href="#split-node"><code>${node.payout}</code></a>`)}
      ${row("Digest of the answer", response === null ? html`none yet` : code(response))}
    </table>
    <p>It ran <a href="#model">${model.name}@${model.version}</a>.</p>`;
}

function modelSection({ model }: Trail): Html {
  return html`<h2 id="model">With which model</h2>
    <table>
      ${row("Name", html`<a href="/v1/models/${model.versionId}">${model.name}@${model.version}</a>`)}
      ${row("Version", code(model.versionId))} ${row("SHA-256 of the file", code(model.digest))}
      ${row("Walrus blob id", code(model.storageId))}
    </table>`;
}

function verifiersSection({ verdicts }: Trail): Html {
  const spoken = verdicts.map(
    ({ verifier, agrees, reason }) =>
      html`<li>
        <code>${verifier}</code> ${agrees ? "got the same answer" : `refused: ${reason ?? "no reason given"}`}
      </li>`,
  );
  return html`<h2 id="verifiers">Who checked</h2>
    <p>Each verifier repeated the computation before it saw the node's answer.</p>
    ${
      spoken.length === 0
        ? html`<p>No verdict yet.</p>`
        : html`<ul>
              ${spoken}
            </ul>
            <p>On their word <a href="#money">the money moved</a>.</p>`
    }`;
}

function moneySection(trail: Trail): Html {
  const problems = trailProblems(trail);
  return html`<h2 id="money">Where the money went</h2>
    <table>
      ${row("Locked", wasLocked(trail) ? tokenAmount(trail.maxAmount) : html`nothing`)} ${accountRow(trail)}
      ${row("Charge", tokenAmount(trail.charge))}
      ${trail.splits.map(
        ({ role, to, amount }) =>
          html`<tr id="split-${role}">
            <th>${roleWords[role]}</th>
            <td>${tokenAmount(amount)}<br /><code>${to}</code></td>
          </tr>`,
      )}
      ${row("Back to the payer", html`${tokenAmount(trail.refund)}<br /><a href="#payer"><code>${trail.payer}</code></a>`)}
    </table>
    ${problems.map((problem) => html`<p class="problem">This does not add up: ${problem}.</p>`)}`;
}

function accountRow(trail: Trail): Html {
  const { account, taskId } = trail;
  if (!account) return html``;
  const { batch } = account;
  if (isFreeOfCharge(trail)) return html`${row("Out of an account", html`nothing, so no batch holds it`)}`;
  if (!batch) return html`${row("Out of an account", html`with its next batch`)}`;
  const others = html`with ${batch.receipts} calls in one transaction`;
  return html`${row("Out of an account", html`${others}<br /><code>${batch.batchId}</code>`)}
  ${row("Its leaf there", html`<code>${batch.leaf}</code><br /><a href="/v1/tasks/${taskId}/proof">Proof</a>`)}`;
}

function transactionsSection({ transactions }: Trail): Html {
  return html`<h2 id="transactions">Transactions</h2>
    <table>
      ${transactions.map(({ purpose, hash, gasUsed, chainId }) =>
        row(
          purposeWords[purpose],
          html`<code>${hash}</code><br /><span class="units">chain ${chainId}, ${gasUsed} gas</span>`,
        ),
      )}
    </table>
    ${transactions.length === 0 ? html`<p>None is in a block yet.</p>` : ""}`;
}

function row(title: string, content: Html): Html {
  return html`<tr>
    <th>${title}</th>
    <td>${content}</td>
  </tr>`;
}

function code(text: string): Html {
  return html`<code>${text}</code>`;
}
