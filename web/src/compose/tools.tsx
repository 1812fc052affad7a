// The tools that a snippet may call, each with what calls it: a click puts that at the snippet's end.
import { tools } from "../state/catalogue.js";
import { code, setCode } from "../state/draft.js";
import { Icon } from "../ui/icon.js";

export function ToolList() {
  const allowed = (tools.value ?? []).filter((tool) => tool.allowed);
  if (allowed.length === 0) return null;
  return (
    <details class="more">
      <summary>Tools to call ({allowed.length})</summary>
      <ul class="tool-list">
        {allowed.map(({ toolId, description, params }) => (
          <li key={toolId}>
            <button type="button" class="tree-file" onClick={() => append(toolId, params)} title={description}>
              <Icon name="plus" size={12} />
              <code class="tree-name">
                {toolId}({params.join(", ")})
              </code>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

function append(toolId: string, params: readonly string[]): void {
  const given = params.map((name) => `"${name}": ""`).join(", ");
  const call = `print(await agent_io_tools.tool_call(tool_id="${toolId}", params={${given}}, call_reason=""))\n`;
  const before = code.value === "" || code.value.endsWith("\n") ? code.value : `${code.value}\n`;
  setCode(before + call, `${before}${call}`.split("\n").length - 1);
}
