import type { SettlingDependencies } from "./settlePayment.ts";

/**
 * Takes every payment that its merchant settles to its end, and lets lapse what nobody can settle any more. It is also how
 * the work of an earlier process goes on.
 */
export async function finishPayments(dependencies: SettlingDependencies): Promise<void> {
  const { store, settler, head, clock, logger } = dependencies;
  for (const digest of await store.paymentsIn("settling")) {
    void settler.finish(digest).catch((error: unknown) => {
      logger.warn({ err: error, payment: digest }, "a payment could not be taken further");
    });
  }
  for (const digest of await store.paymentsIn("claimed", head.newest.timestamp)) {
    await store.recordLapse(digest, clock());
  }
}
