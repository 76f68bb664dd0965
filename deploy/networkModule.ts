import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import type { ArgumentType, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";
import { type FunctionFragment, ZeroAddress } from "ethers";
import { PERMIT2 } from "#protocol/payment.ts";
import {
  NodeRegistry__factory,
  Settlement__factory,
  TaskEscrow__factory,
  VerifierSet__factory,
} from "#typechain/index.ts";
import type { NetworkParameters } from "./parameters.ts";

/** Role of the timelock in AccessManager, with exactly the functions of {@link governedFunctions}. */
export const GOVERNANCE_ROLE = 1n;
/** AccessManager's own role above all. */
export const ADMIN_ROLE = 0n;

const taskEscrowAbi = TaskEscrow__factory.createInterface();
const settlementAbi = Settlement__factory.createInterface();
const verifierSetAbi = VerifierSet__factory.createInterface();
const nodeRegistryAbi = NodeRegistry__factory.createInterface();

const governedContracts = ["taskEscrow", "settlement", "verifierSet", "nodeRegistry"] as const;

/** All that governance may do, by contract. */
export const governedFunctions = {
  taskEscrow: [taskEscrowAbi.getFunction("setFacilitator"), taskEscrowAbi.getFunction("setEntriesPaused")],
  settlement: [settlementAbi.getFunction("setFees"), settlementAbi.getFunction("setTreasury")],
  verifierSet: [verifierSetAbi.getFunction("scheduleInstallation"), verifierSetAbi.getFunction("cancelInstallation")],
  nodeRegistry: [nodeRegistryAbi.getFunction("setMeasurement"), nodeRegistryAbi.getFunction("setAdmissionsPaused")],
} satisfies Record<(typeof governedContracts)[number], FunctionFragment[]>;

/**
 * The whole network. The last transaction names the first facilitators, who have their entries by then, and measurements,
 * gives governance to the timelock and takes every power from the deployer, all of it or nothing.
 */
export function networkModule(parameters: NetworkParameters) {
  return buildModule("OpgNetwork", (m) => {
    const contracts = deployContracts(m, parameters);
    handOver(m, contracts, parameters);
    return contracts;
  });
}

function deployContracts(m: IgnitionModuleBuilder, parameters: NetworkParameters) {
  const { timelockDelaySeconds, proposers, executors } = parameters;
  const accessManager = m.contract("AccessManager", [m.getAccount(0)]);
  // No admin of its own: only the timelock can change the timelock.
  const timelock = m.contract("TimelockController", [
    timelockDelaySeconds,
    [...proposers],
    [...executors],
    ZeroAddress,
  ]);
  const opg = m.contract("OPG", [parameters.initialHolder]);
  const modelRegistry = m.contract("ModelRegistry");
  const { threshold, graceSeconds, installDelaySeconds } = parameters;
  const members = ascending(parameters.verifiers);
  const setArguments = [members, threshold, graceSeconds, installDelaySeconds, accessManager];
  const verifierSet = m.contract("VerifierSet", setArguments);
  const nodeRegistry = m.contract("NodeRegistry", [verifierSet, accessManager, parameters.maxLeaseSeconds]);
  const authorities = { token: opg, permit2: PERMIT2, verifierSet, authority: accessManager };
  const settlement = m.contract("Settlement", [{ ...authorities, ...settlementTerms(parameters) }]);
  const payerReader = m.contract("PayerReader", [PERMIT2]);
  const taskEscrow = m.contractAt("TaskEscrow", m.staticCall(settlement, "ESCROW"));
  return {
    opg,
    verifierSet,
    settlement,
    taskEscrow,
    nodeRegistry,
    modelRegistry,
    accessManager,
    timelock,
    payerReader,
  };
}

function settlementTerms(parameters: NetworkParameters) {
  const { treasury, maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds, closeSeconds } = parameters;
  const { verifierBps, treasuryBps } = parameters;
  const windows = { maxTaskSeconds, settleWindowSeconds, withdrawDelaySeconds, closeSeconds };
  return { treasury, ...windows, verifierBps, treasuryBps };
}

function handOver(
  m: IgnitionModuleBuilder,
  contracts: ReturnType<typeof deployContracts>,
  { facilitators, measurements }: NetworkParameters,
): void {
  const { accessManager, timelock, taskEscrow, nodeRegistry } = contracts;
  const calls: [string, ArgumentType[]][] = [
    ...facilitators.map((facilitator): [string, ArgumentType[]] => {
      const call = taskEscrowAbi.encodeFunctionData("setFacilitator", [facilitator, true]);
      return ["execute", [taskEscrow, call]];
    }),
    ...measurements.map(({ measurement, from, until }): [string, ArgumentType[]] => {
      const call = nodeRegistryAbi.encodeFunctionData("setMeasurement", [measurement, from, until]);
      return ["execute", [nodeRegistry, call]];
    }),
    ...governedContracts.map((name): [string, ArgumentType[]] => {
      const selectors = governedFunctions[name].map(({ selector }) => selector);
      return ["setTargetFunctionRole", [contracts[name], selectors, GOVERNANCE_ROLE]];
    }),
    ["labelRole", [GOVERNANCE_ROLE, "GOVERNANCE"]],
    ["grantRole", [GOVERNANCE_ROLE, timelock, 0]],
    ["grantRole", [ADMIN_ROLE, timelock, 0]],
    ["renounceRole", [ADMIN_ROLE, m.getAccount(0)]],
  ];
  const encoded = calls.map(([name, args], index) =>
    m.encodeFunctionCall(accessManager, name, args, { id: `call${index}` }),
  );
  const entries = facilitators.map((facilitator, index) =>
    m.call(taskEscrow, "createEntry", [facilitator], { id: `createEntry${index}` }),
  );
  m.call(accessManager, "multicall", [encoded], { after: entries });
}

function ascending(addresses: readonly string[]): string[] {
  return [...addresses].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
}
