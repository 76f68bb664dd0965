/** Asks the chain itself. @throws Error with the chain's own words */
export async function rpc(url: string, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = (await (await fetch(url, { method: "POST", headers, body })).json()) as {
    result?: unknown;
    error?: { message: string };
  };
  if (answer.error) throw new Error(`the chain answered ${method}: ${answer.error.message}`);
  return answer.result;
}
