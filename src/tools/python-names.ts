// Which names an alias or a tool may have inside a snippet, which is Python.

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

const KEYWORDS =
  words(`False None True and as assert async await break class continue def del elif else except finally for from
  global if import in is lambda nonlocal not or pass raise return try while with yield`);

/** True for an ASCII identifier that is no keyword and not of Python's own `__kind`. */
export function isPythonName(name: string): boolean {
  return IDENTIFIER.test(name) && !name.startsWith("__") && !KEYWORDS.has(name);
}

/** True for globals an alias would hide: the runner's, and what every Python program takes for granted. */
export function isTakenGlobal(name: string): boolean {
  return TAKEN.has(name) || EXCEPTION.test(name);
}

const EXCEPTION = /^[A-Z][A-Za-z]*(Error|Exception|Group|Warning|Exit|Interrupt|Iteration)$|^(Exception|Warning)$/;

const TAKEN = words(`agent_io_tools OUTPUT_DIR WORKDIR RUN_ID TURN_ID USER_ID Ellipsis NotImplemented
  abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright credits
  delattr dict dir divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash help hex id input
  int isinstance issubclass iter len license list locals map max memoryview min next object oct open ord pow print property quit
  range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip`);

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}
