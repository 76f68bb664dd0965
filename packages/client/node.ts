/** What the client can do in Node only. */
export { fileState } from "./fileState.ts";
