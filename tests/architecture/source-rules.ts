// Reads TypeScript as the compiler does and names the places where it goes through a door: environment, exit, wall clock.
// Comments and strings therefore open none.
import ts from "typescript";

export interface Passage {
  door: "environment" | "exit" | "wall clock" | "process module";
  line: number;
}

export function passages(text: string): Passage[] {
  const source = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  const found: Passage[] = [];
  const visit = (node: ts.Node): void => {
    const door = doorOf(node);
    if (door !== null) found.push({ door, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Lines that a reader counts: a final line break begins no further one. */
export function lineCount(text: string): number {
  return text.replace(/\n$/, "").split("\n").length;
}

function doorOf(node: ts.Node): Passage["door"] | null {
  // Names taken out of node:process could not be followed, so nobody takes them: the global stands for itself.
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier))
    return /^(?:node:)?process$/.test(node.moduleSpecifier.text) ? "process module" : null;
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name) && isNamed(node.initializer, "process"))
    return doorOfMember(
      "process",
      node.name.elements.map((element) => element.propertyName ?? element.name).map(nameOf),
    );
  if (ts.isNewExpression(node) && isNamed(node.expression, "Date") && (node.arguments?.length ?? 0) === 0)
    return "wall clock";
  if (ts.isCallExpression(node) && isNamed(node.expression, "Date")) return "wall clock";
  if (ts.isPropertyAccessExpression(node)) return doorOfMember(nameOf(node.expression), [node.name.text]);
  if (ts.isElementAccessExpression(node))
    return doorOfMember(nameOf(node.expression), [nameOf(node.argumentExpression)]);
  return null;
}

function doorOfMember(object: string | null, members: (string | null)[]): Passage["door"] | null {
  if (object === "process" && members.includes("env")) return "environment";
  if (object === "process" && members.some((name) => name !== null && /^(?:exit|reallyExit|abort)$/.test(name)))
    return "exit";
  if (object === "Date" && members.includes("now")) return "wall clock";
  return null;
}

function isNamed(node: ts.Node | undefined, name: string): boolean {
  return node !== undefined && nameOf(node) === name;
}

function nameOf(node: ts.Node): string | null {
  if (ts.isIdentifier(node) || ts.isStringLiteralLike(node)) return node.text;
  // globalThis.process is process.
  if (ts.isPropertyAccessExpression(node) && isNamed(node.expression, "globalThis")) return node.name.text;
  return null;
}
