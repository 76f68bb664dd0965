/** Runs by name: who asks for one that is under way joins it. */
export class JoinedRuns<Outcome> {
  readonly #running = new Map<string, Promise<Outcome>>();

  /** The outcome of the run of this name, begun here if none is under way. */
  join(name: string, run: () => Promise<Outcome>): Promise<Outcome> {
    const running = this.#running.get(name);
    if (running) return running;
    const begun = run().finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    return begun;
  }
}
