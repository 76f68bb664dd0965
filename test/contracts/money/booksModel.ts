/** Payers: 0 to 2, ascending by address. */
export const PAYERS = 3;
/** Facilitators. */
export const DESKS = 2;
/** Keys that payers can name besides their own: 3 and 4; after them comes one that nobody ever names. */
export const KEYS = 2;
export const STRANGER = PAYERS + KEYS;
export const NODES = 2;
/** Where a key stands that there is not. */
export const NOBODY = -1;
const BPS = 10_000n;

/** What a batch is to take from a payer. */
export interface ModelCharge {
  payer: number;
  amount: bigint;
  /** How far the voucher reaches beyond what this charge needs; below 0 it is too old. */
  reach: bigint;
  signer: "current" | "previous" | "stranger";
}

/** What somebody does; who and where by number. */
export type Operation =
  | { kind: "deposit"; funder: number; payer: number; desk: number; amount: bigint }
  | { kind: "initiate"; payer: number; desk: number; amount: bigint }
  | { kind: "finalize"; payer: number; desk: number }
  | { kind: "setAuthorizer"; payer: number; desk: number; key: number }
  | ModelBatch
  | { kind: "withdraw"; node: number }
  | { kind: "setPaused"; paused: boolean }
  | { kind: "setFees"; verifierBps: bigint; treasuryBps: bigint }
  | { kind: "wait"; delays: number };

/** A batch; `surplus` is credited though nobody was charged for it. */
export interface ModelBatch {
  kind: "settleBatch";
  desk: number;
  charges: ModelCharge[];
  receipts: number;
  surplus: bigint;
  isStale: boolean;
  byStranger: boolean;
}

export interface ModelAccount {
  balance: bigint;
  spent: bigint;
  withdrawing: bigint;
  withdrawableAt: number;
  current: number;
  previous: number;
  previousUntil: number;
}

/** What the contracts must agree with: prefunded accounts and all that batches and withdrawals make of them. */
export interface Books {
  now: number;
  withdrawDelaySeconds: number;
  paused: boolean;
  fees: { verifierBps: bigint; treasuryBps: bigint };
  /** By payer and desk. */
  accounts: Map<string, ModelAccount>;
  /** What payers have outside, less what they had. */
  pockets: Map<number, bigint>;
  earnings: Map<number, bigint>;
  pool: { verifierAmount: bigint; treasuryAmount: bigint; settledTasks: bigint };
}

export function newBooks(now: number, withdrawDelaySeconds: number, fees: Books["fees"]): Books {
  return {
    now,
    withdrawDelaySeconds,
    paused: false,
    fees,
    accounts: new Map(),
    pockets: new Map(),
    earnings: new Map(),
    pool: { verifierAmount: 0n, treasuryAmount: 0n, settledTasks: 0n },
  };
}

function accountKey(payer: number, desk: number): string {
  return `${payer} at ${desk}`;
}

/** An account, which may be one that never was. */
export function accountOf(books: Books, payer: number, desk: number): ModelAccount {
  const key = accountKey(payer, desk);
  const found = books.accounts.get(key);
  if (found) return found;
  const fresh = {
    ...{ balance: 0n, spent: 0n, withdrawing: 0n, withdrawableAt: 0 },
    ...{ current: payer, previous: NOBODY, previousUntil: 0 },
  };
  books.accounts.set(key, fresh);
  return fresh;
}

/** A charge's voucher as it stands: its cap and the number of the key that signs it. */
export function voucherOf(books: Books, desk: number, { payer, amount, reach, signer }: ModelCharge) {
  const { spent, current, previous } = accountOf(books, payer, desk);
  const cap = spent + amount + reach;
  const key = { current, previous: previous === NOBODY ? STRANGER : previous, stranger: STRANGER }[signer];
  return { cap: cap < 0n ? 0n : cap, key };
}

/** What nodes are credited with by a batch: halves, the second with what is left over. */
export function creditsOf({ charges, surplus }: ModelBatch): [bigint, bigint] {
  const total = charges.reduce((sum, { amount }) => sum + amount, surplus);
  return [total / 2n, total - total / 2n];
}

/** Does what the contracts must do. @returns name of the error that they must refuse it with, nothing having changed */
export function apply(books: Books, operation: Operation): string | undefined {
  switch (operation.kind) {
    case "deposit":
      return deposit(books, operation);
    case "initiate":
      return initiate(books, operation);
    case "finalize":
      return finalize(books, operation);
    case "setAuthorizer":
      return setAuthorizer(books, operation);
    case "settleBatch":
      return settleBatch(books, operation);
    case "withdraw":
      return withdraw(books, operation.node);
    case "setPaused":
      books.paused = operation.paused;
      return undefined;
    case "setFees":
      books.fees = operation;
      return undefined;
    case "wait":
      books.now += Math.floor(books.withdrawDelaySeconds * operation.delays);
      return undefined;
  }
}

type Of<Kind extends Operation["kind"]> = Extract<Operation, { kind: Kind }>;

function add<Key>(map: Map<Key, bigint>, key: Key, amount: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + amount);
}

function deposit(books: Books, { funder, payer, desk, amount }: Of<"deposit">): string | undefined {
  if (books.paused) return "EntriesPaused";
  if (amount === 0n) return "ZeroAmount";
  accountOf(books, payer, desk).balance += amount;
  add(books.pockets, funder, -amount);
  return undefined;
}

function initiate(books: Books, { payer, desk, amount }: Of<"initiate">): undefined {
  const account = accountOf(books, payer, desk);
  account.withdrawing = amount;
  account.withdrawableAt = amount === 0n ? 0 : books.now + books.withdrawDelaySeconds;
}

function finalize(books: Books, { payer, desk }: Of<"finalize">): string | undefined {
  const account = accountOf(books, payer, desk);
  if (account.withdrawing === 0n) return "NothingWithdrawing";
  if (books.now < account.withdrawableAt) return "WithdrawalTooEarly";
  const paid = account.withdrawing < account.balance ? account.withdrawing : account.balance;
  account.balance -= paid;
  account.withdrawing = 0n;
  account.withdrawableAt = 0;
  add(books.pockets, payer, paid);
  return undefined;
}

function setAuthorizer(books: Books, { payer, desk, key }: Of<"setAuthorizer">): string | undefined {
  const account = accountOf(books, payer, desk);
  const next = key === NOBODY ? payer : key;
  if (next === account.current) return "AuthorizerUnchanged";
  if (books.now <= account.previousUntil) return "AuthorizerReplacedBefore";
  account.previous = account.current;
  account.previousUntil = books.now + books.withdrawDelaySeconds;
  account.current = next;
  return undefined;
}

function settleBatch(books: Books, batch: ModelBatch): string | undefined {
  const { desk, charges, surplus } = batch;
  if (batch.byStranger) return "NotTheFacilitator";
  if (batch.isStale) return "StaleHead";
  for (const [index, charge] of charges.entries()) {
    const refused = refusalOf(books, desk, charge, charges[index - 1]?.payer ?? NOBODY);
    if (refused) return refused;
  }
  if (surplus > 0n) return "UnbalancedBatch";
  for (const { payer, amount } of charges) {
    const account = accountOf(books, payer, desk);
    account.balance -= amount;
    account.spent += amount;
  }
  divide(books, batch);
  return undefined;
}

function refusalOf(books: Books, desk: number, charge: ModelCharge, before: number): string | undefined {
  const account = accountOf(books, charge.payer, desk);
  const { cap, key } = voucherOf(books, desk, charge);
  if (charge.payer <= before) return "PayersNotAscending";
  if (account.spent + charge.amount > cap) return "CapExceeded";
  if (charge.amount > account.balance) return "BalanceTooLow";
  const isPrevious = key === account.previous && books.now <= account.previousUntil;
  return key === account.current || isPrevious ? undefined : "NotAuthorized";
}

/** Nodes and verifiers are rounded down, the treasury has the rest. */
function divide({ fees, earnings, pool }: Books, batch: ModelBatch): void {
  const credits = creditsOf(batch);
  const total = credits[0] + credits[1];
  const nodeBps = BPS - fees.verifierBps - fees.treasuryBps;
  const shares = credits.map((charge) => (charge * nodeBps) / BPS);
  const verifierAmount = (total * fees.verifierBps) / BPS;
  for (const [node, share] of shares.entries()) add(earnings, node, share);
  pool.verifierAmount += verifierAmount;
  pool.treasuryAmount += total - verifierAmount - shares.reduce((sum, share) => sum + share, 0n);
  pool.settledTasks += BigInt(batch.receipts);
}

function withdraw({ earnings }: Books, node: number): string | undefined {
  if (!earnings.get(node)) return "NothingToWithdraw";
  earnings.set(node, 0n);
  return undefined;
}
