import { type BaseWallet, Wallet } from "ethers";
import { blockAt } from "#chain/blockAt.ts";
import { type BlockRange, pagesOf } from "#chain/blockRange.ts";
import { someAtOnce } from "#chain/someAtOnce.ts";
import { localAccount } from "#deploy/localAccounts.ts";
import { OpgError } from "#protocol/errors.ts";
import { LOCAL_CHAIN_ID, type OpenNetwork } from "./openNetwork.ts";
import { readAddress } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { nodeLines, payerLines, type StatementLine, verifierLines } from "./statementLines.ts";
import { readTime } from "./timeText.ts";
import { type Statement, statementCsv, statementJson } from "./statementText.ts";

interface Options {
  payer: string;
  node: string;
  verifier: string;
  from: string;
  to: string;
  format: string;
}

const writers = { csv: statementCsv, json: statementJson };

/** `opg statement`: what the chain tells of somebody's income or spending, and for which models. */
export default networkTask<Options>(async (opened, options) => {
  const write = writers[readFormat(options.format)];
  const { role, address: named } = readSubject(options);
  const address = role === "node" ? await payoutOf(opened, named) : named;
  const [from, to] = [readTime("from", options.from), readTime("to", options.to)];
  const range = await rangeOf(opened, from, to);
  const pages: StatementLine[][] = [];
  // One after the other: only the lines are kept of what the chain and facilitators tell.
  for (const page of range ? pagesOf(range) : []) pages.push(await linesOf(opened, role, address, page));
  const lines = pages.flat();
  const names = { modelNames: await modelNames(opened, lines), blockSeconds: await blockSeconds(opened, lines) };
  print(write({ role, address, from: textOf(from), to: textOf(to), lines, ...names }));
});

async function linesOf(opened: OpenNetwork, role: Statement["role"], address: string, range: BlockRange) {
  if (role === "verifier") return verifierLines(opened, address, range);
  const party = partyOf(opened, address);
  return role === "payer" ? payerLines(opened, address, range, party) : nodeLines(opened, address, range, party);
}

/** The key of the address, if it is the person's own: batches show receipts to their parties only. */
function partyOf({ network, provider }: OpenNetwork, address: string): BaseWallet | undefined {
  const key = process.env["OPG_KEY"];
  const isLocal = network.chainId === LOCAL_CHAIN_ID;
  const locals = isLocal ? (["payer", "operator1", "operator2"] as const).map((role) => localAccount(role)) : [];
  const own = key !== undefined && /^0x[0-9a-fA-F]{64}$/.test(key) ? [new Wallet(key)] : locals;
  return own.find((wallet) => wallet.address === address)?.connect(provider);
}

/** Nodes earn for the address that they are paid out to, which several may share. */
async function payoutOf({ nodeRegistry }: OpenNetwork, address: string): Promise<string> {
  const { sequence, payout } = await nodeRegistry.node(address);
  return sequence === 0 ? address : payout;
}

function readSubject({ payer, node, verifier }: Options): { role: Statement["role"]; address: string } {
  const given = Object.entries({ payer, node, verifier }).filter(([, address]) => address !== "");
  const [only] = given;
  if (only && given.length === 1) return { role: only[0] as Statement["role"], address: readAddress(only[1]) };
  throw new OpgError("invalid_body", "Say whose statement: one of --payer, --node and --verifier, with an address.");
}

function readFormat(text: string): keyof typeof writers {
  if (text === "csv" || text === "json") return text;
  throw new OpgError("invalid_body", `"${text}" is no format of a statement; take csv or json.`);
}

function textOf(seconds: number | undefined): string {
  return seconds === undefined ? "" : new Date(seconds * 1000).toISOString();
}

/** @returns nothing where no block lies between */
async function rangeOf(
  { provider, network }: OpenNetwork,
  from: number | undefined,
  to: number | undefined,
): Promise<Required<BlockRange> | undefined> {
  const first = network.deploymentBlock;
  const fromBlock = from === undefined ? first : await blockAt(provider, from, first);
  const toBlock = to === undefined ? await provider.getBlockNumber() : (await blockAt(provider, to, first)) - 1;
  return fromBlock <= toBlock ? { fromBlock, toBlock } : undefined;
}

async function modelNames({ modelRegistry }: OpenNetwork, lines: readonly StatementLine[]) {
  const versionIds = [...new Set(lines.map(({ model }) => model))].filter((model) => model !== "");
  const versions = await someAtOnce(versionIds, (versionId) => modelRegistry.version(versionId));
  return new Map(
    versions.flatMap((version) => (version ? [[version.versionId, `${version.name}@${version.label}`] as const] : [])),
  );
}

async function blockSeconds({ provider }: OpenNetwork, lines: readonly StatementLine[]) {
  const numbers = [...new Set(lines.map(({ blockNumber }) => blockNumber))];
  const blocks = await someAtOnce(numbers, (number) => provider.getBlock(number));
  return new Map(blocks.flatMap((block) => (block ? [[block.number, block.timestamp] as const] : [])));
}
