/** An answer that is JSON. Its headers stay the plain object that they are: the framework's own way makes a platform's list of them first. */
export function jsonAnswer(text: string, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers: { "Content-Type": "application/json", ...headers } });
}
