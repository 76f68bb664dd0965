/** Which write of a store ends the process: its name, and the how manieth of that name. */
export interface Death {
  write: string;
  occurrence: number;
}

/** Reads `OPG_TEST_DIES_AFTER`, such as `recordTransaction:2`. */
export function readDeath(environment: NodeJS.ProcessEnv): Death {
  const [write = "", occurrence = "1"] = (environment["OPG_TEST_DIES_AFTER"] ?? "").split(":");
  return { write, occurrence: Number(occurrence) };
}

/** A store whose process is killed, as by `kill -9`, as soon as the named write is durable. */
export function dyingStore<Store extends object>(store: Store, { write, occurrence }: Death): Store {
  let seen = 0;
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (name !== write || typeof member !== "function") return member;
      return async (...given: unknown[]): Promise<unknown> => {
        const written: unknown = await Reflect.apply(member, target, given);
        if (++seen === occurrence) process.kill(process.pid, "SIGKILL");
        return written;
      };
    },
  });
}
