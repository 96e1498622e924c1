// What has happened last.

import type { JSX } from 'preact';
import type { Happened } from './api.ts';
import { isBad, once, story } from './words.ts';

/** Events is the list, the newest first. */
export function Events({ events }: { events: Happened[] }): JSX.Element {
  return (
    <section aria-labelledby="events">
      <div class="head">
        <h2 id="events">Events</h2>
      </div>
      {events.length === 0 && <p class="empty">Nothing has happened since the gateway started.</p>}
      <ol class="events" aria-label="Events, the newest first">
        {once(events).map((e, i) => (
          <li key={e.id === '' ? i : e.id} class={isBad(e) ? 'bad' : ''} data-event={e.event}>
            <time dateTime={e.time} title={new Date(e.time).toLocaleString()}>{new Date(e.time).toLocaleTimeString()}</time>
            <span>{story(e)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
