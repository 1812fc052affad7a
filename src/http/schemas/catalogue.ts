// Scenarios, tools and profiles as they are answered.
import { z } from "zod";
import { LIMITS, type LimitName } from "../../model/limits.js";
import { MODES } from "./result.js";

export const NoQuery = z.strictObject({});

export const ScenarioList = z
  .object({
    scenarios: z.array(
      z.object({
        id: z.string(),
        label: z.string(),
        mode: z.enum(MODES),
        timeoutMs: z.number(),
        profile: z.string().nullable(),
        code: z.string(),
      }),
    ),
  })
  .meta({ id: "ScenarioList" });

export const ToolList = z
  .object({
    tools: z.array(
      z.object({ toolId: z.string(), description: z.string(), params: z.array(z.string()), allowed: z.boolean() }),
    ),
  })
  .meta({ id: "ToolList" });

const limitNames = Object.keys(LIMITS) as LimitName[];

export const ProfileList = z
  .object({
    default: z.string(),
    profiles: z.array(
      z.object({
        name: z.string(),
        backend: z.string(),
        network: z.literal("none"),
        limits: z.object(Object.fromEntries(limitNames.map((name) => [name, z.number()]))),
        cwd: z.enum(["work", "out"]),
        packages: z.array(z.string()),
        require: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "ProfileList" });
