// Pyodide in a process of its own: for each line of JSON that comes in, a program is run in the one interpreter that is loaded.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { loadPyodide } = await import(pathToFileURL(process.argv[2]));
let stdout = "";
const pyodide = await loadPyodide({
  stdout: (line) => {
    stdout += `${line}\n`;
  },
});
console.log("{}");
for await (const line of createInterface({ input: process.stdin })) {
  stdout = "";
  try {
    pyodide.runPython(JSON.parse(line));
    console.log(JSON.stringify({ stdout }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
