// The links of a Markdown page that lead to files of the project, without those in code.

/** Targets as written, without anchor; those of the web and of the page itself are left out. */
export function fileLinks(markdown: string): string[] {
  const prose = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const named = [...prose.matchAll(/^\s*\[[^\]]+\]:\s*<?([^\s>]+)>?/gm)];
  const html = [...prose.matchAll(/<(?:img|a|source|video)\b[^>]*?\b(?:src|href)="([^"]+)"/g)];
  return [...inline, ...named, ...html]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^(?:[a-z][a-z+.-]*:|#|\/\/)/i.test(target))
    .map((target) => decodeURIComponent(target.replace(/[#?].*$/, "")));
}
