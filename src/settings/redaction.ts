// What an operator adds to the names that say their value is a secret.
import { z } from "zod";

export const RedactionConfig = z.strictObject({ names: z.array(z.string().min(1).max(128)).max(256) });
