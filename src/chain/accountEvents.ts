import { dataSlice, getAddress, type Log, type LogDescription, type Provider, toBigInt, zeroPadValue } from "ethers";
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
    | { name: "AccountDebited"; batchId: string; amount: bigint }
  );

type Told<Event> = Event extends LogPlace ? Omit<Event, keyof LogPlace> : never;

const abi = IAccounts__factory.createInterface();
/** These name payer and facilitator first; the one of a batch names its payers among its data. */
const ownTopics = (["Deposited", "AuthorizerSet", "WithdrawalInitiated", "AccountWithdrawn"] as const).map(
  (name) => abi.getEvent(name).topicHash,
);
const debitsTopic = abi.getEvent("AccountsDebited").topicHash;

/**
 * What happened to accounts, in the order of the chain: to all of a payer, to all at a facilitator, or to one. All batches of
 * the facilitator are read, of all facilitators where none is named.
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
  const wanted = [
    [ownTopics, topicOf(payer), topicOf(facilitator)],
    [debitsTopic, null, topicOf(facilitator)],
  ];
  const isWanted = (event: AccountKey): boolean => payer === undefined || event.payer === getAddress(payer);
  return searchBlocks(provider, range, async (fromBlock, toBlock) => {
    const found = await Promise.all(
      wanted.map((topics) => provider.getLogs({ address: taskEscrow, topics, fromBlock, toBlock })),
    );
    return found
      .flat()
      .sort((one, other) => one.blockNumber - other.blockNumber || one.index - other.index)
      .flatMap((log) => eventsIn(log).filter(isWanted));
  });
}

function eventsIn(log: Log): AccountEvent[] {
  const described = abi.parseLog(log);
  if (!described) return [];
  const told = log.topics[0] === debitsTopic ? debitsIn(described) : [eventOf(described)];
  return told.map((event) => ({ ...event, ...placeOf(log) }));
}

function debitsIn({ args }: LogDescription): Told<AccountEvent>[] {
  const { batchId, facilitator, debits } = args as unknown as {
    batchId: string;
    facilitator: string;
    debits: readonly string[];
  };
  return debits.map((share) => ({
    name: "AccountDebited",
    payer: getAddress(dataSlice(share, 0, 20)),
    facilitator,
    batchId,
    amount: toBigInt(dataSlice(share, 20)),
  }));
}

function eventOf({ name, args }: LogDescription): Told<AccountEvent> {
  const text = (field: string): string => String(args[field]);
  const uint = (field: string): bigint => BigInt(text(field));
  const key = { payer: text("payer"), facilitator: text("facilitator") };
  switch (name) {
    case "Deposited":
      return { name, ...key, funder: text("funder"), amount: uint("amount") };
    case "AuthorizerSet": {
      const replaced = { previous: text("previous"), previousUntil: Number(uint("previousUntil")) };
      return { name, ...key, authorizer: text("authorizer"), ...replaced };
    }
    case "WithdrawalInitiated":
      return { name, ...key, amount: uint("amount"), withdrawableAt: Number(uint("withdrawableAt")) };
    default:
      return { name: "AccountWithdrawn", ...key, amount: uint("amount") };
  }
}
