// The level of one line of a JSON log, where the usual libraries put it.

const ERROR_WORD = /^(?:error|critical|fatal)$/i;
const KEYS = ["level", "levelname", "level_name", "lvl", "severity", "log.level", "loglevel"];

/** True for a JSON object whose own level is ERROR, CRITICAL or FATAL. `text` may have anything else: then it is no record. */
export function isErrorRecord(text: string): boolean {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
  // `log.level` of ECS and `record.level.name` of loguru stand one level deeper.
  return hasErrorLevel(record) || hasErrorLevel(own(record, "log")) || hasErrorLevel(own(record, "record"));
}

function hasErrorLevel(record: unknown): boolean {
  return KEYS.some((key) => {
    const value = own(record, key);
    const word = typeof value === "string" ? value : own(value, "name");
    return typeof word === "string" && ERROR_WORD.test(word);
  });
}

function own(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return new Map(Object.entries(value)).get(key);
}
