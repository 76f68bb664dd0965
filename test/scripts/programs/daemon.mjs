// A daemon for the tests: MODE is `listens`, `fails` or `stubborn`.
const mode = process.env["MODE"];
if (mode === "fails") {
  process.stderr.write("OPG_PORT must be a number\n");
  process.exit(3);
}
if (mode === "stubborn") process.on("SIGTERM", () => undefined);
process.stdout.write("not a log line\n");
process.stdout.write(`${JSON.stringify({ msg: "starting" })}\n`);
process.stdout.write(`${JSON.stringify({ msg: "listening", url: "http://127.0.0.1:1", pid: process.pid })}\n`);
setInterval(() => undefined, 1000);
