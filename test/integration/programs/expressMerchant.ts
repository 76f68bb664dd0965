import type { AddressInfo } from "node:net";
import { paymentMiddleware, setSettlementOverrides } from "@x402/express";
import express from "express";
import { CHARGE, merchantRoutes } from "./merchant.ts";

/** The same API as the Hono merchant's, behind x402's Express middleware. */
const { routes, server } = await merchantRoutes(process.env);
const app = express();
let runs = 0;
app.get("/runs", (_, response) => void response.json({ runs }));
app.use(paymentMiddleware(routes, server));
app.use((_, __, next) => {
  runs++;
  next();
});
app.get("/exact", (_, response) => void response.json({ sold: true }));
app.get("/upto", (_, response) => {
  setSettlementOverrides(response, { amount: CHARGE.toString() });
  response.json({ sold: true });
});
app.get("/nothing", (_, response) => {
  setSettlementOverrides(response, { amount: "0" });
  response.json({ sold: true });
});
app.get("/failing", (_, response) => void response.status(500).json({ sold: false }));
const listening = app.listen(0, "127.0.0.1", () => {
  const { port } = listening.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })}\n`);
});
