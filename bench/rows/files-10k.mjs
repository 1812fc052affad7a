import { manyFiles } from "../many-files.mjs";

export default manyFiles(10_000, 15, 20);
