// Line icons, drawn for this product on a 24 px grid. Always beside a word or inside a labelled button.

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);

export const SoundOffIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4zM16 9.5l5 5M21 9.5l-5 5" />
  </Icon>
);

export const SoundOnIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11" />
  </Icon>
);

export const BagIcon = () => (
  <Icon>
    <path d="M5.5 8.5h13l1 11.5h-15l1-11.5zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11" />
  </Icon>
);

export const BackIcon = () => (
  <Icon>
    <path d="M14.5 5.5L8 12l6.5 6.5" />
  </Icon>
);

export const PersonIcon = () => (
  <Icon>
    <circle cx="12" cy="8.5" r="3.75" />
    <path d="M4.5 20c.9-3.9 3.9-6 7.5-6s6.6 2.1 7.5 6" />
  </Icon>
);

export const CheckIcon = () => (
  <Icon>
    <path d="M5 12.5l4.5 4.5L19 7.5" />
  </Icon>
);

export const LockIcon = () => (
  <Icon>
    <rect x="5.5" y="10.5" width="13" height="9.5" rx="2" />
    <path d="M8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5" />
  </Icon>
);

export const HeartIcon = () => (
  <Icon>
    <path d="M12 19.5C6.5 15.4 4 12.4 4 9.2 4 6.8 5.8 5 8.1 5c1.6 0 3 .8 3.9 2.2C12.9 5.8 14.3 5 15.9 5 18.2 5 20 6.8 20 9.2c0 3.2-2.5 6.2-8 10.3z" />
  </Icon>
);

export const SendIcon = () => (
  <Icon>
    <path d="M4.5 12L19.5 5l-3.8 14.5-4.2-5.5zM11.5 14l4-4" />
  </Icon>
);

export const ChatIcon = () => (
  <Icon>
    <path d="M5 5.5h14v10h-8L7 19v-3.5H5z" />
  </Icon>
);

export const MoreIcon = () => (
  <Icon>
    <path d="M6 12h.01M12 12h.01M18 12h.01" stroke-width="3" />
  </Icon>
);

export const UpIcon = () => (
  <Icon>
    <path d="M12 19V6M6 11.5L12 5.5l6 6" />
  </Icon>
);

export const PollIcon = () => (
  <Icon>
    <path d="M5 6.5h14M5 12h8M5 17.5h11" stroke-width="3" />
  </Icon>
);

export const LoudIcon = () => (
  <Icon>
    <path d="M4 10v4h3l9 4.5v-13L7 10H4zM8 14.5l1 4.5M19 10.5v3" />
  </Icon>
);
