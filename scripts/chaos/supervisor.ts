import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonName } from "#scripts/network/daemons.ts";
import { type DaemonProcess, type ProcessOptions, startProcess } from "#scripts/network/startProcess.ts";
import { within } from "./within.ts";

const START_SECONDS = 60;
const RETRY_MS = 300;

/** Starts daemons, starts those again that end by themselves, and kills them where it is told to. */
export class Supervisor {
  readonly #optionsOf: (name: DaemonName) => Promise<ProcessOptions>;
  readonly #daemons = new Map<DaemonName, DaemonProcess>();
  readonly #turns = new Map<DaemonName | "chain", Promise<void>>();
  readonly #wanted = new Set<DaemonProcess>();
  #mishaps: string[] = [];

  /** @param optionsOf - how a daemon is started */
  constructor(optionsOf: (name: DaemonName) => Promise<ProcessOptions>) {
    this.#optionsOf = optionsOf;
  }

  /** Daemons that were started, running or not. */
  get names(): readonly DaemonName[] {
    return [...this.#daemons.keys()];
  }

  urlOf(name: DaemonName): string {
    return this.#daemons.get(name)?.url ?? "";
  }

  /** Starts a daemon, or starts it again where it listened before. */
  async start(name: DaemonName): Promise<void> {
    const options = await this.#optionsOf(name);
    const url = this.urlOf(name);
    const env = url === "" ? options.env : { ...options.env, OPG_PORT: new URL(url).port };
    const daemon = await within(START_SECONDS, `${name} to listen`, this.#started({ ...options, env }));
    this.#daemons.set(name, daemon);
    this.#wanted.add(daemon);
    void daemon.ended.then((how) => this.#startAgain(name, daemon, how));
  }

  async kill(name: DaemonName): Promise<void> {
    const daemon = this.#daemons.get(name);
    if (daemon) this.#wanted.delete(daemon);
    await daemon?.kill();
  }

  /** One after the other for the same daemon, or for the chain. */
  exclusively(name: DaemonName | "chain", work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(work);
    this.#turns.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** What daemons did by themselves since the last call. */
  takeMishaps(): string[] {
    const mishaps = this.#mishaps;
    this.#mishaps = [];
    return mishaps;
  }

  async stop(): Promise<void> {
    this.#wanted.clear();
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.kill()));
  }

  /** Who cannot start for a fault that has struck elsewhere is started again, as by a supervisor. */
  async #started(options: ProcessOptions): Promise<DaemonProcess> {
    const lastTry = Date.now() + START_SECONDS * 1000;
    for (;;) {
      try {
        return await startProcess(options);
      } catch (error) {
        if (Date.now() > lastTry) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #startAgain(name: DaemonName, daemon: DaemonProcess, how: string): Promise<void> {
    if (!this.#wanted.delete(daemon)) return;
    this.#mishaps.push(`${name} ended by itself (${how})`);
    try {
      await this.exclusively(name, () => this.start(name));
    } catch (error) {
      this.#mishaps.push(`${name} did not start again: ${String(error)}`);
    }
  }
}
