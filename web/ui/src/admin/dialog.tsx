// A question before something is done.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface Props {
  title: string;
  children?: ComponentChildren;
  /** What the button says that does it; none: there is nothing to do but close. */
  does?: string;
  danger?: boolean;
  onDo?: (form: FormData) => void;
  onClose: () => void;
}

/** Dialog takes the focus and gives it back; Escape closes it. */
export function Dialog({ title, children, does, danger, onDo, onClose }: Props): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} class="card" aria-label={title} onClose={onClose} onKeyDown={(e) => e.stopPropagation()}>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          onDo?.(new FormData(e.currentTarget));
          onClose();
        }}
      >
        <h2>{title}</h2>
        {children}
        <div class="buttons">
          <button type="button" onClick={onClose}>{does === undefined ? 'Close' : 'Cancel'}</button>
          {does !== undefined && <button type="submit" class={danger === true ? 'danger' : 'primary'}>{does}</button>}
        </div>
      </form>
    </dialog>
  );
}
