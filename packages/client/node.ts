/** What the client can do in Node only. */
export { askNode } from "./askNode.ts";
export { fileState } from "./fileState.ts";
