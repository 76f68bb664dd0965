import { html } from "hono/html";
import type { OpgError } from "#protocol/errors.ts";
import { type Html, page } from "./page.ts";

/** What a person sees in place of a page that cannot be shown. */
export function errorPage(error: OpgError): Html {
  return page(
    "Not to be shown",
    html`<p>${error.message}</p>
      <p><code>${error.code}</code></p>
      <p><a href="/">Home</a></p>`,
  );
}
