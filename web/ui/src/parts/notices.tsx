// What the gateway says while the session runs, over the picture: what is about to happen, what people have to say, and
// that one may only watch.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { isOfEnd, restriction, type Warning } from '../notices.ts';
import { span } from '../sharing.ts';
import { ClockIcon, CloseIcon, EyeIcon, MessageIcon } from './icons.tsx';
import { useFocusBack, usePage, useStateOf } from './use.ts';

/** Notices is there while a session is. */
export function Notices(): JSX.Element {
  const { session } = usePage();
  const { phase, warning, messages, paused, standing } = useStateOf(session);
  const [message] = messages;
  const limit = phase === 'connected' ? restriction(standing) : '';
  return (
    <div class="notices">
      {/* Regions that are there before their words, or nobody is told. */}
      <div role="status">
        {limit !== '' && (
          <p class="chip" title="The gateway lets nothing else pass">
            <EyeIcon /> {limit}
          </p>
        )}
      </div>
      <div role="alert">{warning !== undefined && phase === 'connected' && <Warned warning={warning} />}</div>
      <div role="alert">
        {paused !== '' && (
          <section class="banner" aria-label="Paused">
            <ClockIcon />
            <p>{paused}</p>
          </section>
        )}
      </div>
      <div role="alert">{message !== undefined && <Message words={message} more={messages.length - 1} />}</div>
    </div>
  );
}

export { span as clock };

function useLeft(end: number): number {
  const left = (): number => Math.max(0, Math.ceil((end - Date.now()) / 1000));
  const [seconds, set] = useState(left());
  useEffect(() => {
    const timer = setInterval(() => set(left()), 250);
    set(left());
    return () => clearInterval(timer);
  }, [end]);
  return seconds;
}

function Warned({ warning }: { warning: Warning }): JSX.Element {
  const { session } = usePage();
  const { standing, renewal } = useStateOf(session);
  const focusBack = useFocusBack();
  const left = useLeft(warning.end);
  const renewable = standing?.renewable === true && isOfEnd(warning, standing);
  const asking = renewal === 'asking';
  return (
    <section class="banner" aria-label="Warning">
      <ClockIcon />
      <div>
        <p>{warning.words}</p>
        <p class="countdown" role="timer" aria-live="off">
          <strong>{span(left)}</strong> left
        </p>
        {renewal !== '' && !asking && <p class="fault">{renewal}</p>}
      </div>
      <div class="buttons">
        {renewable && (
          <button
            type="button"
            class="primary"
            disabled={asking}
            onClick={() => {
              void session.terms.renew();
              focusBack();
            }}
          >
            Stay
          </button>
        )}
        <Close
          label="Close the warning"
          onClick={() => {
            session.terms.hush();
            focusBack();
          }}
        />
      </div>
    </section>
  );
}

function Message({ words, more }: { words: string; more: number }): JSX.Element {
  const { session } = usePage();
  const focusBack = useFocusBack();
  return (
    <section class="banner" aria-label="Message">
      <MessageIcon />
      <div>
        <p>{words}</p>
        {more > 0 && <p class="hint">{more === 1 ? 'One more message' : `${more} more messages`}</p>}
      </div>
      <div class="buttons">
        <Close
          label="Close the message"
          onClick={() => {
            session.terms.read();
            if (more === 0) focusBack();
          }}
        />
      </div>
    </section>
  );
}

function Close({ label, onClick }: { label: string; onClick: () => void }): JSX.Element {
  return (
    <button type="button" class="bare" aria-label={label} title={label} onClick={onClick}>
      <CloseIcon />
    </button>
  );
}
