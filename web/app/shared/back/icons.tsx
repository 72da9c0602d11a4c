// Line icons, drawn on a 24 grid. Decoration only: the control that carries one has its own label.

import type { ComponentChildren, JSX } from "preact";

function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg class="st-icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const MicIcon = ({ off = false }: { off?: boolean }): JSX.Element => (
  <Icon>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    {off && <path d="M4 4l16 16" />}
  </Icon>
);

export const CameraIcon = ({ off = false }: { off?: boolean }): JSX.Element => (
  <Icon>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="M15.5 10.8 21 7.5v9l-5.5-3.3" />
    {off && <path d="M4 4l16 16" />}
  </Icon>
);

export const ScreenIcon = (): JSX.Element => (
  <Icon>
    <rect x="3" y="4.5" width="18" height="12" rx="2" />
    <path d="M9 20h6M12 13.5v-6M9.2 10 12 7.2l2.8 2.8" />
  </Icon>
);

export const StopIcon = (): JSX.Element => (
  <Icon>
    <rect x="6.5" y="6.5" width="11" height="11" rx="2" fill="currentColor" />
  </Icon>
);

export const PinIcon = (): JSX.Element => (
  <Icon>
    <path d="M9 4h6l-1 6 3 3v1.5H7V13l3-3-1-6ZM12 14.5V20" />
  </Icon>
);

export const EditIcon = (): JSX.Element => (
  <Icon>
    <path d="m5 19 1-4L16 5l3 3L9 18l-4 1Z" />
  </Icon>
);

export const PlusIcon = (): JSX.Element => (
  <Icon>
    <path d="M12 5v14M5 12h14" />
  </Icon>
);

export const WarnIcon = (): JSX.Element => (
  <Icon>
    <path d="M12 4 2.8 19.5h18.4L12 4ZM12 10v4.5M12 17.2v.1" />
  </Icon>
);
