// The list of keys that `?` shows.
import { Dialog } from "./dialog.js";
import { helpIsOpen, KEYS, type Key, keyNames } from "./keys.js";

export function Keycap({ keys }: { keys: string }) {
  return (
    <span class="keycaps">
      {keyNames(keys).map((name) => (
        <kbd key={name}>{name}</kbd>
      ))}
    </span>
  );
}

export function Help() {
  if (!helpIsOpen.value) return null;
  const groups = new Map<string, Key[]>();
  for (const key of KEYS) groups.set(key.group, [...(groups.get(key.group) ?? []), key]);
  return (
    <Dialog
      title="Keys"
      wide
      onClose={() => {
        helpIsOpen.value = false;
      }}
    >
      <div class="key-groups">
        {[...groups].map(([name, keys]) => (
          <section key={name}>
            <h3>{name}</h3>
            <dl>
              {keys.map(({ keys: pressed, says }) => (
                <div key={pressed}>
                  <dt>{says}</dt>
                  <dd>
                    <Keycap keys={pressed} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
