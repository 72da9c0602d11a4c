import { useEffect, useRef } from "preact/hooks";
import type { Command } from "../talk/commands";

/** What the typed beginning may become, with a word of help. The field keeps the focus; a finger or a mouse may pick too. */
export function CommandList({ id, commands, at, onPick }: { id: string; commands: readonly Command[]; at: number; onPick: (command: Command) => void }) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (at >= 0) list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <ul class="commands" id={id} ref={list} role="listbox" aria-label="Commands" tabIndex={0}>
      {commands.map((command, i) => (
        <li
          key={command.name}
          id={`${id}-${i}`}
          role="option"
          aria-selected={i === at}
          class="command"
          // The field must not lose the focus to what is picked.
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onPick(command)}
        >
          <strong>
            {command.name} <span class="command-form">{command.form}</span>
          </strong>
          <span class="command-help">{command.help}</span>
        </li>
      ))}
    </ul>
  );
}
