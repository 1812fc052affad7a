import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isErrorLine } from "../../src/diagnostics/level-line.js";

/** Lines as the formats of real programs and libraries write them. */
const ERRORS: Record<string, string[]> = {
  "the specification": [
    "ERROR: x",
    "ERROR:root:x",
    "[ERROR] x",
    "2026-01-02 ERROR x",
    "2026-01-02 10:11:12,345 - app - ERROR - x",
    "level=ERROR",
  ],
  "the user logger": ["2026-01-02T10:11:12.345+00:00 ERROR user: boom", "2026-01-02T10:11:12.345Z CRITICAL user: boom"],
  "python logging": [
    "ERROR:root:division by zero",
    "CRITICAL:my.app:out of cheese",
    "2026-01-02 10:11:12,345 ERROR root something",
    "2026-01-02 10:11:12,345 - my.module - CRITICAL - something",
    "2026-01-02 10:11:12,345 myapp ERROR failed to open",
    "2026-01-02 10:11:12,345 [MainThread] [ERROR] failed",
    "2026-01-02 10:11:12,345 | my_app | ERROR | failed",
    "10:11:12 ERROR failed",
    "01/02/2026 10:11:12 AM - ERROR - failed",
    "ERROR    root:test.py:12 message",
    "my.module ERROR: broken",
    "myapp - ERROR - broken",
    "myapp:ERROR:broken",
    "[2026-01-02 10:11:12,345] {job.py:12} ERROR - Task failed",
    "[2026-01-02 10:11:12,345] ERROR in app: Exception on / [GET]",
    "2026-01-02 10:11:12,345 12345 ERROR worker started badly",
    "2026-01-02 10:11:12,345 MainProcess MainThread my.app ERROR boom",
    "  ERROR: indented",
    "ERROR",
  ],
  loguru: [
    "2026-01-02 10:11:12.345 | ERROR    | __main__:<module>:12 - boom",
    "2026-01-02 10:11:12.345 | CRITICAL | app.core:run:99 - boom",
  ],
  uvicorn: ["ERROR:    Exception in ASGI application", "ERROR:    [Errno 98] Address already in use"],
  gunicorn: [
    "[2026-01-02 10:11:12 +0000] [4242] [ERROR] Exception in worker process",
    "[2026-01-02 10:11:12 +0000] [4242] [CRITICAL] WORKER TIMEOUT",
  ],
  django: [
    "[02/Jan/2026 10:11:12] ERROR [django.request:241] Internal Server Error: /",
    "ERROR 2026-01-02 10:11:12,345 log 4242 140 Internal Server Error: /",
  ],
  celery: ["[2026-01-02 10:11:12,345: ERROR/MainProcess] Task raised", "[ERROR/ForkPoolWorker-1] process died"],
  "log4j and friends": [
    "2026-01-02 10:11:12,345 ERROR [main] com.acme.App - boom",
    "2026-01-02 10:11:12,345 [main] ERROR com.acme.App - boom",
    "10:11:12.345 [http-nio-8080-exec-1] ERROR c.a.App - boom",
    "2026-01-02 10:11:12.345 ERROR 4242 --- [           main] o.s.b.SpringApplication : failed",
    "2026-01-02T10:11:12.345+01:00 ERROR 4242 --- [main] o.s.b.SpringApplication : failed",
    "[ERROR] Failed to execute goal org.apache.maven.plugins:x",
    "26/01/02 10:11:12 ERROR SparkContext: Error initializing SparkContext.",
    "[2026-01-02T10:11:12,345][ERROR][o.e.b.Bootstrap] node failed",
    "FATAL ERROR: Ineffective mark-compacts near heap limit",
  ],
  syslog: [
    "Jan  2 10:11:12 host app[4242]: ERROR: disk failed",
    "<11>Jan  2 10:11:12 host app[4242]: ERROR disk failed",
    "Jan  2 10:11:12 host app: ERROR disk failed",
    "2026-01-02T10:11:12+00:00 host app[4242]: CRITICAL disk failed",
  ],
  postgres: [
    '2026-01-02 10:11:12.345 UTC [4242] ERROR:  relation "x" does not exist',
    'FATAL:  role "x" does not exist',
  ],
  "go, rust, node": [
    "2026/01/02 10:11:12 ERROR something failed",
    'time=2026-01-02T10:11:12.345Z level=ERROR msg="boom"',
    'time="2026-01-02T10:11:12Z" level=error msg="boom"',
    'ts=2026-01-02T10:11:12.345Z caller=main.go:12 level=error err="boom"',
    "2026-01-02T10:11:12.345Z\tERROR\tserver/server.go:12\tboom",
    "[2026-01-02T10:11:12Z ERROR my_crate::module] boom",
    "2026-01-02T10:11:12.345678Z ERROR my_crate::module: boom",
    "[ERROR my_crate] boom",
    "2026-01-02T10:11:12.345Z [app] ERROR: boom",
  ],
  structlog: [
    "2026-01-02 10:11:12 [error    ] boom                           key=1",
    "2026-01-02T10:11:12.345Z [critical ] boom",
    "event='boom it is' level='error' timestamp='2026-01-02'",
  ],
  nginx: ["2026/01/02 10:11:12 [error] 42#42: *1 open() failed"],
  json: [
    '{"level": "error", "msg": "boom"}',
    '{"timestamp": "2026-01-02", "levelname": "ERROR", "message": "x"}',
    '{"severity":"CRITICAL","message":"x"}',
    '{"log": {"level": "error"}, "message": "x"}',
    '{"text": "x", "record": {"level": {"name": "ERROR", "no": 40}}}',
    'web_1 | {"level":"fatal","msg":"x"}',
  ],
  brackets: [
    "[main] ERROR: x",
    "[app] [ERROR] x",
    "(ERROR) x",
    "<ERROR> x",
    "[  12.345678] ERROR: x",
    "app [ERROR] x",
    "[2026-01-02 10:11:12] [myapp] ERROR x",
  ],
  compose: ["web_1  | ERROR: could not connect", "db-1 | 2026-01-02 10:11:12.345 UTC [1] FATAL:  no"],
  pytest: ["ERROR tests/test_x.py - ImportError: no"],
};

const PROSE = [
  "squared error = 0.2",
  "mean squared ERROR = 0.2",
  "no ERROR found",
  "ERRORS: none",
  "ERROR_COUNT=3",
  "ERROR_RATE: 0.1",
  "ERROR = 3",
  "ERROR == 3",
  "MAX_ERROR: 0.5",
  "StandardERROR x",
  "Total ERROR lines: 0",
  "0 ERROR, 0 WARNING",
  "There was an ERROR in the text",
  "the word ERROR: it is written like this",
  "INFO no ERROR found",
  "INFO: ERROR is a level",
  "2026-01-02 10:11:12,345 INFO root no ERROR found",
  "2026-01-02 10:11:12,345 - app - INFO - ERROR count is 0",
  "2026-01-02 10:11:12.345 | INFO     | __main__:f:1 - ERROR handling is on",
  "[INFO] ERROR level is enabled",
  "[2026-01-02 10:11:12,345: INFO/MainProcess] ERROR is a word",
  "2026-01-02 10:11:12 no ERROR found",
  "2026-01-02 10:11:12 found ERROR in the text",
  "2026-01-02 10:11:12 [info     ] ERROR free",
  "WARNING:root:ERROR would be worse",
  "DEBUG: ERROR",
  'level=info msg="level=ERROR is not set"',
  'msg="set level=ERROR please"',
  "use level=ERROR to see less",
  '{"level": "info", "msg": "ERROR"}',
  '{"status": "ERROR"}',
  '{"errors": [], "level": 40, "error": "none"}',
  '{"level": "error"',
  "['ERROR', 'WARNING']",
  '("ERROR", 3)',
  "[no ERROR here] fine",
  "(see ERROR below)",
  "[x] check the ERROR handling",
  "status: ERROR was expected",
  "| level | ERROR |",
  "- ERROR is written in a list",
  "--- ERROR ---",
  "E0102 10:11:12.345678 42 file.cc:12] boom",
  "ERR! not found",
  "error: something small",
  "Error: something small",
  "fatal: not a git repository",
  "reading error.log",
  "ERROR.log",
  "ERROR-free since 2026",
  "NOERROR: x",
  "wrote ERROR.txt",
  "x = ERROR",
  "print('ERROR: x')",
  "# ERROR: a comment",
  "",
  "   ",
];

describe("isErrorLine", () => {
  for (const [format, lines] of Object.entries(ERRORS)) {
    it.each(lines)(`${format}: %s`, (line) => expect(isErrorLine(line)).toBe(true));
  }
  it.each(PROSE)("prose: %s", (line) => expect(isErrorLine(line)).toBe(false));

  it("takes every level for every common front", () => {
    const fronts = ["", "2026-01-02 10:11:12 ", "[", "[main] ", "2026-01-02 10:11:12,345 - app.core - "];
    fc.assert(
      fc.property(fc.constantFrom(...fronts), fc.constantFrom("ERROR", "CRITICAL", "FATAL"), (front, level) => {
        expect(isErrorLine(`${front}${level}${front === "[" ? "]" : " -"} text`)).toBe(true);
      }),
    );
  });

  it("answers for any text, and never for one without a level", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const answer = isErrorLine(text);
        if (!/error|critical|fatal/i.test(text)) expect(answer).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
