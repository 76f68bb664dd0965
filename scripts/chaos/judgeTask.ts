import type { Finding } from "./judgePayment.ts";

/** What books and chain say of a task; amounts in atomic units. */
export interface TaskBook {
  taskId: string;
  state: string;
  /** What the result charges. */
  charge: bigint;
  maxAmount: bigint;
  /** What `TaskEscrow` charged, one entry per event. */
  charged: readonly bigint[];
  /** What is locked there still. */
  locked: bigint;
  isExposed: boolean;
  /** Its transactions whose end is not known. */
  onTheirWay: number;
}

const endings = new Set(["settled", "refunded", "rejected"]);

/** Holds what the books say of a task and what the chain did against each other. */
export function judgeTask({ taskId, ...task }: TaskBook, isAnswered: boolean): Finding[] {
  const { state, charge, maxAmount, charged, locked, isExposed, onTheirWay } = task;
  const total = charged.reduce((sum, amount) => sum + amount, 0n);
  const rules: [broken: boolean, kind: Finding["kind"], words: string][] = [
    [!endings.has(state), "unresolved", `stays ${state}`],
    [locked > 0n, "unresolved", `is ${state}, but ${locked} stay locked for it`],
    [endings.has(state) && isExposed, "unresolved", `is ${state}, but its claim is not released`],
    [onTheirWay > 0, "unresolved", `has ${onTheirWay} transactions that stay sent`],
    [charged.length > 1 || total > maxAmount, "doubled", `was charged ${charged.join(" and ")} of ${maxAmount}`],
    [state === "settled" && total < charge, "lost", `is settled for ${charge}, but ${total} were charged`],
    [state !== "settled" && total > 0n, "lost", `is ${state}, but ${total} were charged`],
    [isAnswered && endings.has(state) && state !== "settled", "lost", `was answered, but is ${state}`],
  ];
  return rules.flatMap(([broken, kind, words]) => (broken ? [{ kind, words: `task ${taskId} ${words}` }] : []));
}
