// Stands where nsm.c stands: brings what it is given to a socket instead of the device, and the answer back.
import { connect } from "node:net";

const socket = connect({ path: process.argv[2], allowHalfOpen: true });
process.stdin.pipe(socket);
socket.pipe(process.stdout);
