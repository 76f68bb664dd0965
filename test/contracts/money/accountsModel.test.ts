import { expect } from "chai";
import fc from "fast-check";
import { seed } from "#test/badInput/seed.ts";
import { loadChain, restOf } from "./booksChain.ts";
import {
  accountOf,
  apply,
  type Books,
  DESKS,
  KEYS,
  type ModelCharge,
  newBooks,
  NOBODY,
  NODES,
  type Operation,
  PAYERS,
} from "./booksModel.ts";

/** How many sequences, and of how many operations at most; `npm run invariants` asks for more. */
const numRuns = Number(process.env["OPG_MODEL_RUNS"] ?? 20);
const maxLength = Number(process.env["OPG_MODEL_DEPTH"] ?? 60);

const payer = fc.nat(PAYERS - 1);
const desk = fc.nat(DESKS - 1);
const amountUpTo = (max: bigint) => fc.bigInt({ min: 0n, max });

const charge = fc.record<ModelCharge>({
  payer,
  amount: amountUpTo(400n),
  reach: fc.constantFrom(0n, 0n, 1n, 500n, -1n),
  signer: fc.constantFrom("current", "current", "current", "previous", "stranger"),
});
const inOrder = fc
  .uniqueArray(charge, { minLength: 1, maxLength: PAYERS, selector: (one) => one.payer })
  .map((charges) => charges.sort((one, other) => one.payer - other.payer));
const sound = inOrder.map((charges) =>
  charges.map((one): ModelCharge => ({ ...one, reach: one.reach < 0n ? 0n : one.reach, signer: "current" })),
);
const batchOf = (charges: fc.Arbitrary<ModelCharge[]>, faulty: boolean): fc.Arbitrary<Operation> =>
  fc.record({
    kind: fc.constant("settleBatch" as const),
    desk,
    charges,
    receipts: fc.integer({ min: 1, max: 100 }),
    surplus: faulty ? fc.constantFrom(0n, 0n, 0n, 1n) : fc.constant(0n),
    isStale: faulty ? fc.constantFrom(false, false, false, true) : fc.constant(false),
    byStranger: faulty ? fc.constantFrom(false, false, false, true) : fc.constant(false),
  });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  ...many(
    4,
    fc.record({ kind: fc.constant("deposit" as const), funder: payer, payer, desk, amount: amountUpTo(1_000n) }),
  ),
  ...many(5, batchOf(sound, false)),
  ...many(3, batchOf(inOrder, true)),
  batchOf(fc.array(charge, { minLength: 1, maxLength: PAYERS + 1 }), true),
  ...many(2, fc.record({ kind: fc.constant("initiate" as const), payer, desk, amount: amountUpTo(1_500n) })),
  ...many(2, fc.record({ kind: fc.constant("finalize" as const), payer, desk })),
  ...many(
    2,
    fc.record({ kind: fc.constant("setAuthorizer" as const), payer, desk, key: fc.constantFrom(NOBODY, ...keys()) }),
  ),
  fc.record({ kind: fc.constant("withdraw" as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant("setPaused" as const), paused: fc.boolean() }),
  fc.record({
    kind: fc.constant("setFees" as const),
    verifierBps: amountUpTo(2_000n),
    treasuryBps: amountUpTo(1_000n),
  }),
  ...many(2, fc.record({ kind: fc.constant("wait" as const), delays: fc.constantFrom(0.1, 0.5, 1) })),
);

function many<Value>(times: number, arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value>[] {
  return Array.from({ length: times }, () => arbitrary);
}

function keys(): number[] {
  return Array.from({ length: KEYS }, (_, index) => PAYERS + index);
}

/** Payers and desks that an operation names. */
function touchedBy(done: Operation): [number, number][] {
  if (done.kind === "settleBatch") return done.charges.map((one) => [one.payer, done.desk]);
  return "payer" in done ? [[done.payer, done.desk]] : [];
}

async function agree(operations: readonly Operation[]): Promise<void> {
  const chain = await loadChain();
  const { withdrawDelaySeconds, verifierBps, treasuryBps } = chain.parameters;
  const fees = { verifierBps: BigInt(verifierBps), treasuryBps: BigInt(treasuryBps) };
  const books: Books = newBooks(await chain.now(), withdrawDelaySeconds, fees);
  for (const next of operations) {
    books.now += 1;
    const refused = await chain.perform(books, next);
    expect(refused, next.kind).to.equal(apply(books, next));
    for (const [one, at] of touchedBy(next)) {
      expect(await chain.account(one, at), next.kind).to.deep.equal(accountOf(books, one, at));
    }
  }
  expect(await chain.rest()).to.deep.equal(restOf(books, chain.heads));
}

describe(`A model of the books (OPG_FUZZ_SEED=${seed})`, function () {
  this.timeout(30_000 + numRuns * maxLength * 200);

  it("agrees with the contracts after every operation of any sequence", async () => {
    const sequence = fc.array(operation, { minLength: 1, maxLength, size: "max" });
    await fc.assert(fc.asyncProperty(sequence, agree), { seed, numRuns });
  });
});
