// A value as a tree that opens. Of what is long or deep no more is made than somebody opens.
import { useSignal } from "@preact/signals";
import { Icon } from "../ui/icon.js";

const PAGE = 100;
const LONGEST_TEXT = 400;

export function JsonTree({ value, name }: { value: unknown; name: string }) {
  return (
    <div class="json">
      <Node name={name} value={value} isOpen depth={0} />
    </div>
  );
}

interface NodeOptions {
  name: string;
  value: unknown;
  isOpen?: boolean;
  depth: number;
}

function Node({ name, value, isOpen = false, depth }: NodeOptions) {
  const open = useSignal(isOpen);
  const shown = useSignal(PAGE);
  if (typeof value !== "object" || value === null) {
    return (
      <div class="json-leaf">
        <span class="json-name">{name}</span> <Leaf value={value} />
      </div>
    );
  }
  const isList = Array.isArray(value);
  const entries = isList ? value.map((each, index) => [String(index), each] as const) : Object.entries(value);
  return (
    <div>
      <button
        type="button"
        class="json-fold"
        aria-expanded={open.value}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <Icon name="chevron" size={12} />
        <span class="json-name">{name}</span>
        <span class="quiet">{isList ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </button>
      {open.value && (
        <div class="json-inner">
          {entries.slice(0, shown.value).map(([key, each]) => (
            <Node key={key} name={key} value={each} depth={depth + 1} isOpen={depth < 1 && entries.length < 12} />
          ))}
          {entries.length > shown.value && (
            <button
              type="button"
              class="link"
              onClick={() => {
                shown.value += PAGE * 5;
              }}
            >
              {entries.length - shown.value} more
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") {
    const text = value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
    return <span class="json-text">"{text}"</span>;
  }
  return <span class="json-value">{String(value)}</span>;
}
