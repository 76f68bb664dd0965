/**
 * An enclave's sockets, in the folder that its host made for them: one for messages, one for TLS connections, of which the host
 * passes every byte on as it comes.
 */
export const socketNames = { messages: "messages", connections: "connections" } as const;
