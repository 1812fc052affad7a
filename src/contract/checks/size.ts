// Check: `minBytes` and `maxBytes`.
import { z } from "zod";
import type { ContractCheck } from "../check.js";

const bytes = z.int("must be a whole number of bytes").nonnegative("must not be negative").optional();

export const size = {
  keys: { minBytes: bytes, maxBytes: bytes },

  review({ minBytes, maxBytes }) {
    if (maxBytes === undefined) return null;
    if (minBytes !== undefined && minBytes > maxBytes) {
      return { key: "minBytes", message: `is ${minBytes}, more than maxBytes ${maxBytes}; no file can be both` };
    }
    if (maxBytes === 0 && minBytes === undefined) {
      return { key: "maxBytes", message: "is 0, but an empty file needs minBytes: 0 too" };
    }
    return null;
  },

  async run({ minBytes = 0, maxBytes = Number.POSITIVE_INFINITY }, file) {
    if (file.bytes < minBytes) return { code: "too_small", message: `${file.bytes} bytes, fewer than ${minBytes}` };
    if (file.bytes > maxBytes) return { code: "too_large", message: `${file.bytes} bytes, more than ${maxBytes}` };
    return null;
  },
} satisfies ContractCheck;
