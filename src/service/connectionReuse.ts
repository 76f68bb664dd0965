/**
 * How long a connection between daemons is kept for the next call, in milliseconds. Servers close idle ones after 5 s; a
 * call that goes out at that very moment fails without a reason, so callers let go well before.
 */
export const connectionReuse = { keepAliveTimeout: 1_000, keepAliveMaxTimeout: 1_000 } as const;
