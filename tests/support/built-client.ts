// The client as whoever installs the package has it. By an address that the compiler does not follow: types are looked at before anything is built.
import type * as Client from "../../src/client/index.js";

const BUILT = new URL("../../dist/client/index.js", import.meta.url).href;

export const { createClient }: typeof Client = await import(BUILT);
