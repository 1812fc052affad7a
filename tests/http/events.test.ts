// A run's events over HTTP: each once, in order, whenever a reader comes, and however often it comes back.
import { describe, expect, it } from "vitest";
import { ASYNC, bed, problemIn } from "./bed.js";

async function begin(options: Parameters<typeof bed>[0] = {}) {
  const it = bed(options);
  await it.ask("/v1/runs", { body: { code: "" }, headers: ASYNC });
  const run = it.runs.last;
  const say = (text: string) => run.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(text) });
  const follow = (after?: number) =>
    it.ask(`/v1/runs/${run.runId}/events`, {
      ...(after !== undefined && { headers: { "Last-Event-ID": String(after) } }),
    });
  return { ...it, run, say, follow };
}

/** The ids of the events in a whole stream, each checked against its data. */
async function idsOf(response: Response): Promise<number[]> {
  return eventsIn(await response.text()).map(({ seq }) => seq);
}

function eventsIn(text: string): { seq: number; type: string }[] {
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("id: "))
    .map((block) => {
      const [, id, type, data] = /^id: (\d+)\nevent: (.+)\ndata: (.+)$/.exec(block) ?? [];
      const event = JSON.parse(data ?? "");
      expect([String(event.seq), event.type]).toEqual([id, type]);
      return event;
    });
}

describe("GET /v1/runs/:id/events", () => {
  it("tells what was before, what comes, and ends with the run, without the host's paths", async () => {
    const { run, say, follow } = await begin();
    say("one");
    const response = await follow();
    expect(response.headers.get("Content-Type")).toContain("text/event-stream");
    say("two");
    await run.end();
    const text = await response.text();
    expect(eventsIn(text)).toMatchObject([
      ...[
        { seq: 1, text: "one" },
        { seq: 2, text: "two" },
      ],
      { seq: 3, type: "run.finished", result: { status: "succeeded" } },
    ]);
    expect(text).not.toContain("/secret");
  });

  it("goes on after the last event that was read, wherever the connection was cut", async () => {
    const { run, say, follow } = await begin();
    for (const text of ["one", "two", "three"]) say(text);
    for (const after of [0, 1, 2, 3]) {
      const response = await follow(after);
      const reader = response.body?.getReader();
      let text = "";
      while (eventsIn(text).length < 3 - after) text += new TextDecoder().decode((await reader?.read())?.value);
      expect(eventsIn(text).map(({ seq }) => seq)).toEqual([1, 2, 3].slice(after));
      await reader?.cancel();
    }
    const open = await follow(2);
    say("four");
    await run.end();
    expect(await idsOf(open)).toEqual([3, 4, 5]);
    expect(await idsOf(await follow(4))).toEqual([5]);
    expect((await follow(5)).status).toBe(204);
    expect((await follow(99)).status).toBe(204);
  });

  it.each(["-1", "x", "1.5", ""])("refuses to go on after %j", async (after) => {
    const { ask, run } = await begin();
    const response = await ask(`/v1/runs/${run.runId}/events`, { headers: { "Last-Event-ID": after } });
    expect(await problemIn(response)).toMatchObject({ status: 400, field: "last-event-id" });
  });

  it("is not silent while nothing happens, and loses nothing for it", async () => {
    const { run, say, follow } = await begin({ heartbeatMs: 5 });
    const response = await follow();
    const reader = response.body?.getReader();
    let text = "";
    while (!text.includes(": still here\n\n: still here"))
      text += new TextDecoder().decode((await reader?.read())?.value);
    say("after silence");
    await run.end();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read())
      text += new TextDecoder().decode(part.value);
    expect(eventsIn(text).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("has room for so many readers of a run, and for others when they leave", async () => {
    const { follow, streams } = await begin();
    const readers: Response[] = [];
    for (let count = 0; count < 32; count += 1) readers.push(await follow());
    expect(await problemIn(await follow())).toMatchObject({ status: 429, code: "too_busy" });
    await readers[0]?.body?.cancel();
    const next = await follow();
    expect(next.status).toBe(200);
    for (const reader of [...readers.slice(1), next]) await reader.body?.cancel();
    expect(streams.readers).toBe(0);
  });

  it("opens nothing for a request that wants no body", async () => {
    const { ask, run, streams } = await begin();
    expect((await ask(`/v1/runs/${run.runId}/events`, { method: "HEAD" })).status).toBe(200);
    expect(streams.readers).toBe(0);
  });

  it("holds nothing for a reader that does not read", async () => {
    const { say, follow } = await begin();
    const response = await follow();
    let asked = 0;
    const reader = response.body?.getReader();
    for (; asked < 1000; asked += 1) say("x".repeat(1000));
    // Only what is read is taken out of the bus; the greeting is the one chunk that waits.
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("retry: 1000\n\n");
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("id: 1\n");
    await reader?.cancel();
  });
});
