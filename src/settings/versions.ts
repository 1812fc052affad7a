// How much of a workspace's past is kept, as a config file or the environment says it.
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { DEFAULT_VERSIONS, MAX_VERSIONS_KEPT, type VersionLimits } from "../model/versions.js";
import { parseSize } from "./profiles.js";

export const VersionsConfig = z.strictObject({
  keep: z.int().min(0).max(MAX_VERSIONS_KEPT).optional(),
  bytes: z
    .union([z.number(), z.string()], { error: 'must be a number of bytes, or a text like "1GiB"' })
    .transform((value, context) => {
      const size = typeof value === "number" ? value : parseSize(value);
      if (size !== null && Number.isSafeInteger(size) && size >= 0) return size;
      context.addIssue({ code: "custom", message: 'must be a number of bytes, or a text like "1GiB"' });
      return z.NEVER;
    })
    .optional(),
});

/** `variable` is what ISO_RUNTIME_VERSIONS says. */
export function chooseVersions(config: z.output<typeof VersionsConfig>, variable: string | undefined): VersionLimits {
  const { keep = DEFAULT_VERSIONS.keep, bytes: maxBytes = DEFAULT_VERSIONS.maxBytes } = config;
  if (!variable) return { keep, maxBytes };
  const wanted = /^\d{1,4}$/.test(variable) ? Number(variable) : Number.NaN;
  if (wanted <= MAX_VERSIONS_KEPT) return { keep: wanted, maxBytes };
  throw new IsoError(
    "config_invalid",
    `ISO_RUNTIME_VERSIONS: "${variable}" must be a number from 0 to ${MAX_VERSIONS_KEPT}`,
    {
      field: "ISO_RUNTIME_VERSIONS",
      hint: `Leave it out to keep ${DEFAULT_VERSIONS.keep}; 0 keeps none.`,
    },
  );
}
