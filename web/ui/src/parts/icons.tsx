// The icons, drawn for this page on a grid of 24 by 24.

import type { JSX } from 'preact';

function icon(...paths: string[]): () => JSX.Element {
  return () => (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {paths.map((d) => (
        <path key={d} d={d} />
      ))}
    </svg>
  );
}

export const KeyboardIcon = icon('M3.5 6h17A1.5 1.5 0 0 1 22 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-17A1.5 1.5 0 0 1 2 16.5v-9A1.5 1.5 0 0 1 3.5 6z', 'M6 10h.01M10 10h.01M14 10h.01M18 10h.01M8 14.5h8');
export const KeysIcon = icon('M6.5 3.5h11a3 3 0 0 1 3 3v11a3 3 0 0 1-3 3h-11a3 3 0 0 1-3-3v-11a3 3 0 0 1 3-3z', 'M8 12l4-4 4 4', 'M8 16h8');
export const PowerIcon = icon('M12 3v8', 'M7 6.2a8 8 0 1 0 10 0');
export const ClipboardIcon = icon('M9 4.5H6.5A1.5 1.5 0 0 0 5 6v13.5a1.5 1.5 0 0 0 1.5 1.5h11a1.5 1.5 0 0 0 1.5-1.5V6a1.5 1.5 0 0 0-1.5-1.5H15', 'M9 3h6v3.5H9z', 'M8.5 11.5h7M8.5 15.5h5');
export const FullscreenIcon = icon('M4 9V4h5', 'M15 4h5v5', 'M20 15v5h-5', 'M9 20H4v-5');
export const WindowIcon = icon('M9 4v5H4', 'M20 9h-5V4', 'M15 20v-5h5', 'M4 15h5v5');
export const SettingsIcon = icon('M4 7h9M17 7h3', 'M15 5v4', 'M4 17h3M11 17h9', 'M9 15v4', 'M4 12h1M9 12h11', 'M7 10v4');
export const DisconnectIcon = icon('M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4', 'M15 8l4 4-4 4', 'M19 12h-9');
export const MoveIcon = icon('M12 3v18M3 12h18', 'M9.5 5.5L12 3l2.5 2.5', 'M9.5 18.5L12 21l2.5-2.5', 'M5.5 9.5L3 12l2.5 2.5', 'M18.5 9.5L21 12l-2.5 2.5');
export const EyeIcon = icon('M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z', 'M12 9.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6z');
export const ShareIcon = icon('M12 3.5v11', 'M8 7l4-3.5L16 7', 'M7 11H5.5A1.5 1.5 0 0 0 4 12.5V19a1.5 1.5 0 0 0 1.5 1.5h13A1.5 1.5 0 0 0 20 19v-6.5a1.5 1.5 0 0 0-1.5-1.5H17');
export const ClockIcon = icon('M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z', 'M12 7.5V12l3 2');
export const MessageIcon = icon('M5 4.5h14A1.5 1.5 0 0 1 20.5 6v9a1.5 1.5 0 0 1-1.5 1.5h-7l-4.5 4v-4H5A1.5 1.5 0 0 1 3.5 15V6A1.5 1.5 0 0 1 5 4.5z', 'M7.5 9h9M7.5 12.5h6');
export const CloseIcon = icon('M6 6l12 12M18 6L6 18');
export const PlayIcon = icon('M8 5.5v13l10.5-6.5z');
export const PauseIcon = icon('M8.5 6v12M15.5 6v12');
export const PreviousIcon = icon('M17.5 6.5v11L9 12z', 'M6.5 6.5v11');
export const NextIcon = icon('M6.5 6.5v11L15 12z', 'M17.5 6.5v11');
export const SkipIcon = icon('M3.5 7v10l7-5z', 'M11.5 7v10l7-5z', 'M20.5 7v10');
export const SearchIcon = icon('M10.5 4.5a6 6 0 1 1 0 12 6 6 0 0 1 0-12z', 'M15 15l5 5');
export const HandleIcon = icon('M9 5l7 7-7 7');
export const WarningIcon = icon('M12 4L2.8 20h18.4z', 'M12 10v4.5M12 17.3v.01');
export const DoneIcon = icon('M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z', 'M8 12.2l2.8 2.8L16 9.5');
export const LockIcon = icon('M6 11h12v9H6z', 'M8.5 11V8a3.5 3.5 0 0 1 7 0v3');

/** Logo is the mark of the page. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="logo-wall" width="32" height="32" rx="8" />
      <path class="logo-gate" d="M9 25V16a7 7 0 0 1 14 0v9" />
      <circle class="logo-guest" cx="16" cy="20" r="3" />
    </svg>
  );
}
