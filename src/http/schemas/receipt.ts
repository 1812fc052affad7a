// A run's receipt as it is answered.
import { z } from "zod";

const Line = z
  .object({ sealed: z.boolean(), line: z.looseObject({ seq: z.number(), hash: z.string() }) })
  .nullable()
  .meta({ description: "`sealed`: the hash is the one of the line's bytes." });
export const Receipt = z
  .object({ began: Line, ended: Line })
  .meta({ id: "Receipt", description: "docs/receipts.md has the members of a line." });
