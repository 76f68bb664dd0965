import { type LogDescription, type Provider, zeroPadValue } from "ethers";
import { IAccounts__factory } from "#typechain/index.ts";
import type { AccountKey } from "./accounts.ts";
import { type BlockRange, type LogPlace, placeOf, searchBlocks } from "./blockRange.ts";

/** Something that happened to an account; amounts in atomic units. */
export type AccountEvent = LogPlace &
  AccountKey &
  (
    | { name: "Deposited"; funder: string; amount: bigint }
    | { name: "AuthorizerSet"; authorizer: string; previous: string; previousUntil: number }
    | { name: "WithdrawalInitiated"; amount: bigint; withdrawableAt: number }
    | { name: "AccountWithdrawn"; amount: bigint }
    | { name: "AccountDebited"; amount: bigint; spent: bigint }
  );

const names = ["Deposited", "AuthorizerSet", "WithdrawalInitiated", "AccountWithdrawn", "AccountDebited"] as const;
const abi = IAccounts__factory.createInterface();
const topics = names.map((name) => abi.getEvent(name).topicHash);

/**
 * What happened to accounts, in the order of the chain: to all of a payer, to all at a facilitator, or to one.
 *
 * @param taskEscrow - address of TaskEscrow
 */
export function accountEvents(
  provider: Provider,
  taskEscrow: string,
  { payer, facilitator }: Partial<AccountKey>,
  range: BlockRange,
): Promise<AccountEvent[]> {
  const topicOf = (account?: string): string | null => (account === undefined ? null : zeroPadValue(account, 32));
  // All of them name payer and facilitator first.
  const wanted = [topics, topicOf(payer), topicOf(facilitator)];
  return searchBlocks(provider, range, async (fromBlock, toBlock) => {
    const logs = await provider.getLogs({ address: taskEscrow, topics: wanted, fromBlock, toBlock });
    return logs.flatMap((log) => {
      const described = abi.parseLog(log);
      return described ? [{ ...eventOf(described), ...placeOf(log) }] : [];
    });
  });
}

type Told<Event> = Event extends LogPlace ? Omit<Event, keyof LogPlace> : never;

function eventOf({ name, args }: LogDescription): Told<AccountEvent> {
  const text = (key: string): string => String(args[key]);
  const amount = (key: string): bigint => BigInt(text(key));
  const key = { payer: text("payer"), facilitator: text("facilitator") };
  switch (name as (typeof names)[number]) {
    case "Deposited":
      return { name: "Deposited", ...key, funder: text("funder"), amount: amount("amount") };
    case "AuthorizerSet": {
      const previousUntil = Number(amount("previousUntil"));
      return {
        name: "AuthorizerSet",
        ...key,
        authorizer: text("authorizer"),
        previous: text("previous"),
        previousUntil,
      };
    }
    case "WithdrawalInitiated": {
      const withdrawableAt = Number(amount("withdrawableAt"));
      return { name: "WithdrawalInitiated", ...key, amount: amount("amount"), withdrawableAt };
    }
    case "AccountWithdrawn":
      return { name: "AccountWithdrawn", ...key, amount: amount("amount") };
    case "AccountDebited":
      return { name: "AccountDebited", ...key, amount: amount("amount"), spent: amount("spent") };
  }
}
