/** Reads `OPG_TEST_DIES_AFTER`: which write of a store ends the process, such as `recordTransaction`. */
export function readDeath(environment: NodeJS.ProcessEnv): string {
  return environment["OPG_TEST_DIES_AFTER"] ?? "";
}

/** A store whose process is killed, as by `kill -9`, as soon as the named write is durable. */
export function dyingStore<Store extends object>(store: Store, write: string): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (name !== write || typeof member !== "function") return member;
      return async (...given: unknown[]): Promise<unknown> => {
        const written: unknown = await Reflect.apply(member, target, given);
        process.kill(process.pid, "SIGKILL");
        return written;
      };
    },
  });
}
