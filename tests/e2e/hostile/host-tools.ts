// The tools of the suite's host: one that echoes, one that answers at length, one that takes its time, and one nobody may call.
import { z } from "zod";
import { defineTool, type ToolDescriptor } from "../../../src/index.js";

const LARGE_BYTES = 1024 * 1024;

export const HOST_TOOLS: ToolDescriptor = {
  tools: [
    {
      alias: "host",
      module: [
        defineTool({
          ...{ name: "echo", description: "Says it again.", params: z.strictObject({ text: z.string().max(1000) }) },
          handler: ({ text }) => text,
        }),
        defineTool({
          ...{ name: "large", description: "Answers a mebibyte.", params: z.strictObject({}) },
          handler: () => "x".repeat(LARGE_BYTES),
        }),
        defineTool({
          ...{ name: "wait", description: "Takes its time.", params: z.strictObject({ ms: z.number() }) },
          handler: ({ ms }, { signal }) =>
            new Promise((resolve, reject) => {
              const timer = setTimeout(resolve, ms, "waited");
              signal.addEventListener("abort", () => {
                clearTimeout(timer);
                reject(signal.reason);
              });
            }),
        }),
        defineTool({
          ...{ name: "secret", description: "Not for programs.", params: z.object({}) },
          handler: () => "c4nary-of-the-host",
        }),
      ],
      allow: ["echo", "large", "wait"],
    },
  ],
};
