import { type Journey, startJourney } from "./journeyNetwork.ts";

let shared: Promise<Journey> | undefined;

/**
 * The one network of all journeys that leave it as they found it; it is started for the first of them. Its payer is shared as
 * well: whoever empties a wallet makes one of its own.
 */
export function sharedJourney(): Promise<Journey> {
  shared ??= startJourney();
  return shared;
}

// Outside of every suite: after all of them.
after(async function () {
  this.timeout(60_000);
  await (await shared)?.stop();
});
