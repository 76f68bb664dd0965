import { Interface, type Provider, ZeroAddress, ZeroHash } from "ethers";
import type { Call } from "./call.ts";

/** OpenZeppelin's TimelockController, as far as it is used here. */
const abi = new Interface([
  "function schedule(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt, uint256 delay)",
  "function execute(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt) payable",
  "function hashOperation(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt) view returns (bytes32)",
  "function getTimestamp(bytes32 id) view returns (uint256)",
  "function getMinDelay() view returns (uint256)",
  "function hasRole(bytes32 role, address account) view returns (bool)",
  "function PROPOSER_ROLE() view returns (bytes32)",
  "function EXECUTOR_ROLE() view returns (bytes32)",
]);

/** What `getTimestamp` says of an operation that was executed. */
const DONE_TIMESTAMP = 1;

/** Where a call of governance stands: from `readyAt` on, seconds since 1970, it may be executed. */
export type Progress = { state: "unset" | "done" } | { state: "scheduled"; readyAt: number };

/** The timelock that governance acts through: every call waits in public before it is executed. */
export class TimelockAdapter {
  readonly address: string;
  readonly #provider: Provider;

  constructor(address: string, provider: Provider) {
    this.address = address;
    this.#provider = provider;
  }

  /** @param salt - tells the same call from an earlier one */
  async progressOf(call: Call, salt: string): Promise<Progress> {
    const id = await this.#read("hashOperation", [...operation(call), salt]);
    const timestamp = Number(await this.#read("getTimestamp", [id]));
    if (timestamp > DONE_TIMESTAMP) return { state: "scheduled", readyAt: timestamp };
    return { state: timestamp === DONE_TIMESTAMP ? "done" : "unset" };
  }

  async minDelaySeconds(): Promise<number> {
    return Number(await this.#read("getMinDelay", []));
  }

  async mayPropose(account: string): Promise<boolean> {
    return this.#hasRole("PROPOSER_ROLE", account);
  }

  /** Anybody may execute where the role was given to the zero address. */
  async mayExecute(account: string): Promise<boolean> {
    const [own, open] = await Promise.all([account, ZeroAddress].map((who) => this.#hasRole("EXECUTOR_ROLE", who)));
    return own === true || open === true;
  }

  populateSchedule(call: Call, salt: string, delaySeconds: number): Call {
    return { to: this.address, data: abi.encodeFunctionData("schedule", [...operation(call), salt, delaySeconds]) };
  }

  populateExecute(call: Call, salt: string): Call {
    return { to: this.address, data: abi.encodeFunctionData("execute", [...operation(call), salt]) };
  }

  async #hasRole(role: string, account: string): Promise<boolean> {
    return (await this.#read("hasRole", [await this.#read(role, []), account])) as boolean;
  }

  async #read(name: string, values: readonly unknown[]): Promise<unknown> {
    const data = await this.#provider.call({ to: this.address, data: abi.encodeFunctionData(name, [...values]) });
    return abi.decodeFunctionResult(name, data)[0] as unknown;
  }
}

/** Target, value, data and predecessor. */
function operation({ to, data }: Call): unknown[] {
  return [to, 0, data, ZeroHash];
}
