import { paymentMiddleware, setSettlementOverrides } from "@x402/hono";
import { Hono } from "hono";
import { startHttpServer } from "#service/httpServer.ts";
import { CHARGE, merchantRoutes } from "./merchant.ts";

/** A merchant's API behind x402's Hono middleware; `GET /runs` tells how often a paid handler ran. */
const { routes, server } = await merchantRoutes(process.env);
const app = new Hono();
let runs = 0;
app.get("/runs", (context) => context.json({ runs }));
app.use(paymentMiddleware(routes, server));
app.use(async (_, next) => {
  runs++;
  await next();
});
app.get("/exact", (context) => context.json({ sold: true }));
app.get("/upto", (context) => {
  setSettlementOverrides(context, { amount: CHARGE.toString() });
  return context.json({ sold: true });
});
app.get("/nothing", (context) => {
  setSettlementOverrides(context, { amount: "0" });
  return context.json({ sold: true });
});
app.get("/failing", (context) => context.json({ sold: false }, 500));
const { url } = await startHttpServer(app, { host: "127.0.0.1", port: 0 });
process.stdout.write(`${JSON.stringify({ msg: "listening", url })}\n`);
