import { mkdtempSync, readdirSync } from "node:fs";
import { it } from "vitest";
import { z } from "zod";
import { Tree } from "../../src/safefs/tree.js";
import { defineTool } from "../../src/tools/define-tool.js";
import { TreeOutputFiles } from "../../src/tools/output-files.js";
import { ToolSubsystem } from "../../src/tools/subsystem.js";
const deep = (n: number) => { let v: unknown = 1; for (let i = 0; i < n; i++) v = [v]; return v; };
it("probe", async () => {
  const out = mkdtempSync("/tmp/iso-part-tools/o");
  let late: Promise<unknown> = Promise.resolve();
  const t = (name: string, handler: any, extra = {}) => defineTool({ name, description: "d", params: z.object({}), handler, ...extra });
  const sub = await ToolSubsystem.create({ tools: [{ alias: "t", module: [
    t("late", (_: unknown, { output }: any) => (late = new Promise((r) => setTimeout(r, 50)).then(() => output.write("late.txt", "x")))),
    t("deep", () => deep(500)), t("odd", () => { throw Object.create(null); }), t("badmsg", () => { throw Object.assign(new Error("x"), { message: 7 }); }),
    t("slow", () => new Promise((r) => setTimeout(r, 30))), t("map", () => ({ a: new Map([[1, 2]]), n: Number.NaN })), t("toolong", () => 1, { timeoutMs: 1e12 }),
  ] }] });
  let events = 0;
  const mk = () => sub.session({ runId: "r", userId: "u", turnId: "t", log() {}, emit: () => { events++; }, output: new TreeOutputFiles(() => Tree.open(out)) });
  let s = mk(); let n = 0;
  const call = (toolId: string) => s.call({ id: `c${n++}`, toolId, params: {}, reason: null });
  for (const name of ["deep", "odd", "badmsg", "map", "toolong"]) console.log(name, JSON.stringify(await call(`t.${name}`).catch((e) => `REJECTED ${e}`))?.slice(0, 120));
  const p = call("t.late"); s.cancel("x"); console.log(await p); await late.catch((e) => console.log("late", e.message)); console.log(readdirSync(out));
  const p2 = (s = mk(), Promise.all(Array.from({ length: 300 }, () => call("t.slow")))); console.log("refused of 300:", (await p2).filter((a) => !a.ok).length);
  s = mk(); events = 0; for (let i = 0; i < 50000; i++) await call("nope"); console.log("events", events);
  for (const alias of ["len", "list", "dict", "_alias"]) console.log(alias, await ToolSubsystem.create({ tools: [{ alias, module: [t("_alias", () => 1)] }] }).then(() => "accepted", (e) => e.message));
  const c: any = {}; c.c = c; console.log(await ToolSubsystem.create({ tools: [{ alias: "t", module: [c] }] }).catch((e) => `${e.name} ${e.message.slice(0, 90)}`));
});
