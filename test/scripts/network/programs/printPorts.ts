// Prints the ports it is given, one a line, and lives until its input ends.
import { freePort } from "#scripts/network/freePort.ts";

for (let count = 0; count < 20; count += 1) process.stdout.write(`${await freePort()}\n`);
process.stdin.resume();
