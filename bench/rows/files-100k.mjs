import { manyFiles } from "../many-files.mjs";

export default manyFiles(100_000, 30, 8);
