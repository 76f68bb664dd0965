/** Answers a request with a Response, as in `fetch` handlers of Hono, Deno, Bun and workers. */
export type Handler<Rest extends readonly unknown[] = []> = (
  request: Request,
  ...rest: Rest
) => Response | Promise<Response>;
