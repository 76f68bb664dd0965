/** Seconds since 1970, whole; handed in wherever time decides something, so that tests can set it. */
export type Clock = () => number;

/** The machine's own clock. */
export const systemClock: Clock = () => Math.floor(Date.now() / 1000);
