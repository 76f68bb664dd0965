import type { Movement, PaymentBook } from "./books.ts";
import type { MerchantPayment } from "./merchantPayment.ts";

/** Something that may never be. */
export interface Finding {
  /** Money or work that somebody is short of; money taken or work promised twice; something without an end. */
  kind: "lost" | "doubled" | "unresolved";
  words: string;
}

const endings = new Set(["settled", "failed", "lapsed", undefined]);

/** Whether nothing is open about a payment any more. */
export function hasEnded({ state, isExposed, onTheirWay }: PaymentBook): boolean {
  return endings.has(state) && !isExposed && onTheirWay === 0;
}

/** Holds what the books say, what the merchant was told and what moved on chain against each other. */
export function judgePayment(payment: MerchantPayment, book: PaymentBook, moved: readonly Movement[]): Finding[] {
  return [...judgeEnding(book), ...judgeMoney(payment, book, moved), ...judgeWords(payment, book, moved)];
}

function judgeEnding({ state, isExposed, onTheirWay }: PaymentBook): Finding[] {
  const words = [
    ...(endings.has(state) ? [] : [`it stays ${state ?? ""}`]),
    ...(endings.has(state) && isExposed ? [`it is ${state ?? "not claimed"}, but its claim is not released`] : []),
    ...(onTheirWay > 0 ? [`${onTheirWay} of its transactions stay sent`] : []),
  ];
  return words.map((text) => ({ kind: "unresolved", words: text }));
}

function judgeMoney({ due, payee }: MerchantPayment, book: PaymentBook, moved: readonly Movement[]): Finding[] {
  const [first, second] = moved;
  if (second) {
    const parts = moved.map(({ amount, transaction }) => `${amount} in ${transaction}`);
    return [{ kind: "doubled", words: `charged ${moved.length} times: ${parts.join(", ")}` }];
  }
  if (!first) {
    if (book.state !== "settled" || due === 0n) return [];
    return [{ kind: "lost", words: `the books say settled by ${book.transaction ?? "nothing"}, but nothing moved` }];
  }
  const { to, amount, transaction } = first;
  const findings: Finding[] = [];
  if (amount > due) findings.push({ kind: "doubled", words: `${amount} moved where ${due} were due` });
  if (amount < due) findings.push({ kind: "lost", words: `${amount} moved where ${due} were due` });
  if (to.toLowerCase() !== payee.toLowerCase()) findings.push({ kind: "lost", words: `paid to ${to}, not ${payee}` });
  if (book.state !== "settled") {
    findings.push({ kind: "lost", words: `${amount} moved in ${transaction}, but the books say ${said(book)}` });
  } else if (book.transaction !== transaction) {
    const words = `${transaction} paid, but the books name ${book.transaction ?? "nothing"}`;
    findings.push({ kind: "lost", words });
  }
  return findings;
}

function judgeWords(
  { told, unanswered, due, deadline }: MerchantPayment,
  book: PaymentBook,
  moved: readonly Movement[],
): Finding[] {
  const valid = told.filter(({ call, success }) => call === "verify" && success);
  const settled = told.filter(({ call, success }) => call === "settle" && success);
  const refused = told.filter(
    ({ call, success, reason }) => call === "settle" && !success && reason !== "settlement_pending",
  );
  const findings: Finding[] = unanswered.map((words) => ({ kind: "unresolved", words }));
  if (valid.length > 1) findings.push({ kind: "doubled", words: `${valid.length} were told that it is valid` });
  if (settled.length > 0 && due > 0n && moved.length === 0) {
    const hashes = settled.map(({ transaction }) => transaction ?? "no transaction");
    findings.push({ kind: "lost", words: `the merchant was told success (${hashes.join(", ")}), but nothing moved` });
  }
  for (const { reason, replica, at } of refused) {
    const where = `${reason ?? "no reason"} by replica ${replica + 1}`;
    // Before a claim each replica judges by itself; a merchant who asks several at once takes the one that says yes.
    if (valid.length === 0 && settled.length > 0) continue;
    if (moved.length > 0) findings.push({ kind: "lost", words: `the merchant was told ${where}, but the money moved` });
    else if (valid.length > 0 && !(reason === "permit2_deadline_expired" && at >= deadline)) {
      const words = `what was valid was refused in time, ${where} (${said(book)}, ${(deadline - at).toFixed(1)} s were left)`;
      findings.push({ kind: "lost", words });
    }
  }
  return findings;
}

function said({ state, reason }: PaymentBook): string {
  return `${state ?? "nothing of it"}${reason === undefined ? "" : `, ${reason}`}`;
}
