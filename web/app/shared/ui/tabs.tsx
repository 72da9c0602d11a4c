// Several panels in one place. Arrows go from tab to tab, Tab goes on into the panel.

import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";
import "./tabs.css";

export interface Tab<Name extends string> {
  name: Name;
  label: ComponentChildren;
  panel: () => ComponentChildren;
}

type TabsProps<Name extends string> = { label: string; tabs: readonly Tab<Name>[]; at: Name; onPick: (name: Name) => void };

export function Tabs<Name extends string>({ label, tabs, at, onPick }: TabsProps<Name>) {
  const id = useId();
  const bar = useRef<HTMLDivElement>(null);
  const here = Math.max(0, tabs.findIndex(({ name }) => name === at));
  const shown = tabs[here]!;
  const press = (event: KeyboardEvent): void => {
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (to + tabs.length) % tabs.length;
    onPick(tabs[next]!.name);
    bar.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div class="tabs">
      <div class="tabs-bar" role="tablist" aria-label={label} ref={bar} onKeyDown={press}>
        {tabs.map((tab) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            id={`${id}-${tab.name}`}
            aria-selected={tab === shown}
            aria-controls={tab === shown ? `${id}-panel` : undefined}
            tabIndex={tab === shown ? 0 : -1}
            onClick={() => onPick(tab.name)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div class="tabs-panel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${shown.name}`} key={shown.name}>
        {shown.panel()}
      </div>
    </div>
  );
}
