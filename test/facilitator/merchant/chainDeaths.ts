/** Durable writes that a facilitator makes only where the chain gives it cause. */
export const chainDeaths = ["recordAttempt", "recordFinal", "recordReorg", "recordLockLost"] as const;
