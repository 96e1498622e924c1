// The bar of a recording: what a player has, at the lower edge.

import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { clock, describe, Player, speeds, type Mark, type Playing, type Timeline } from '../player.ts';
import { NextIcon, PauseIcon, PlayIcon, PreviousIcon, SearchIcon, SkipIcon } from './icons.tsx';
import { usePage, useStateOf } from './use.ts';

/** PlayerBar is there while the display is a recording. */
export function PlayerBar(): JSX.Element | null {
  const { session } = usePage();
  const { phase, standing } = useStateOf(session);
  const shown = phase === 'connected' && standing?.playback === true;
  useEffect(() => {
    if (!shown) return;
    document.documentElement.dataset['playback'] = '';
    return () => {
      delete document.documentElement.dataset['playback'];
    };
  }, [shown]);
  return shown ? <Bar key={standing.key} /> : null;
}

function Bar(): JSX.Element | null {
  const { session } = usePage();
  const player = useMemo(() => new Player((what) => session.terms.play(what)), [session]);
  const [state, set] = useState(player.store.get());
  useEffect(() => {
    const ignore = player.store.watch(() => set(player.store.get()));
    player.start();
    return () => {
      player.stop();
      ignore();
    };
  }, [player]);
  useKeys(player);
  const [searching, search] = useState(false);
  const { now, timeline, found, fault } = state;
  if (now === undefined) return null;
  const going = now.playing && !now.atEnd;
  const skips = now.skipIdle > 0;
  return (
    <section class="player" aria-label="Recording">
      {searching && <Search player={player} found={found} onClose={() => search(false)} />}
      {(fault !== '' || now.error !== '') && <p class="fault" role="alert">{fault !== '' ? fault : 'The rest of this recording cannot be played.'}</p>}
      <Track player={player} now={now} timeline={timeline} />
      <div class="player-row">
        <button type="button" class="tool" aria-label={going ? 'Pause' : 'Play'} title={`${going ? 'Pause' : 'Play'} (space)`} onClick={() => player.toggle()}>
          {going ? <PauseIcon /> : <PlayIcon />}
        </button>
        <button type="button" class="tool" aria-label="Previous event" title="Previous event (Page up)" onClick={() => player.jump(true)}><PreviousIcon /></button>
        <button type="button" class="tool" aria-label="Next event" title="Next event (Page down)" onClick={() => player.jump(false)}><NextIcon /></button>
        <span class="player-time"><b>{clock(now.position)}</b> / {clock(now.duration)}</span>
        <span class="player-name" title={now.recording}>{now.recording}</span>
        {timeline?.search === true && (
          <button type="button" class="tool" aria-label="Search what was typed" title="Search what was typed (/)" aria-expanded={searching} onClick={() => search(!searching)}><SearchIcon /></button>
        )}
        <button type="button" class="tool" aria-label="Skip idle times" title="Skip times in which nothing happens" aria-pressed={skips} onClick={() => player.setSpeed(now.speed, !skips)}><SkipIcon /></button>
        <select aria-label="Speed" title="Speed (&lt; and &gt;)" value={String(now.speed)} onChange={(e) => player.setSpeed(Number(e.currentTarget.value))}>
          {(speeds.includes(now.speed) ? speeds : [...speeds, now.speed].sort((a, b) => a - b)).map((s) => <option key={s} value={String(s)}>{s} ×</option>)}
        </select>
      </div>
    </section>
  );
}

const steps: Record<string, (p: Player) => void> = {
  ' ': (p) => p.toggle(),
  k: (p) => p.toggle(),
  ArrowLeft: (p) => p.step(-5),
  ArrowRight: (p) => p.step(5),
  j: (p) => p.step(-30),
  l: (p) => p.step(30),
  PageUp: (p) => p.jump(true),
  PageDown: (p) => p.jump(false),
  Home: (p) => p.seek(0),
  End: (p) => p.seek(Infinity),
  '<': (p) => p.faster(false),
  '>': (p) => p.faster(true),
};

// Keys of the page, unless they are for what has the focus: a button has a space of its own.
function useKeys(player: Player): void {
  useEffect(() => {
    const press = (e: KeyboardEvent): void => {
      const step = steps[e.key];
      if (step === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
      const on = e.target instanceof Element ? e.target.closest('input:not([type="range"]), select, textarea, dialog, .panel') : null;
      const pressed = e.key === ' ' && e.target instanceof HTMLButtonElement;
      if (on !== null || pressed) return;
      e.preventDefault();
      e.stopPropagation();
      step(player);
    };
    window.addEventListener('keydown', press, true);
    return () => window.removeEventListener('keydown', press, true);
  }, [player]);
}

interface TrackProps {
  player: Player;
  now: Playing;
  timeline: Timeline | undefined;
}

function Track({ player, now, timeline }: TrackProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  const [hover, point] = useState<number | undefined>();
  const duration = Math.max(now.duration, 0.001);
  const share = (at: number): string => `${(100 * Math.min(at, duration)) / duration}%`;
  const at = (e: PointerEvent): number => {
    const box = ref.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return 0;
    return duration * Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));
  };
  return (
    <div class="track" ref={ref} onPointerMove={(e) => point(at(e))} onPointerLeave={() => point(undefined)}>
      <Activity levels={timeline?.activity ?? []} />
      <div class="track-done" style={{ width: share(now.position) }} />
      {timeline?.marks.map((m) => <span key={`${m.kind}${m.at}`} class={`track-mark ${m.kind}`} style={{ left: share(m.at) }} />)}
      <span class="track-head" style={{ left: share(now.position) }} />
      <input
        type="range"
        aria-label="Position"
        aria-valuetext={`${clock(now.position)} of ${clock(now.duration)}`}
        min={0}
        max={duration}
        step="any"
        value={now.position}
        onInput={(e) => player.seek(Number(e.currentTarget.value))}
      />
      {hover !== undefined && <Preview player={player} at={hover} left={share(hover)} mark={nearest(timeline?.marks ?? [], hover, duration / 100)} />}
    </div>
  );
}

function nearest(marks: readonly Mark[], at: number, within: number): Mark | undefined {
  let best: Mark | undefined;
  for (const m of marks) {
    if (Math.abs(m.at - at) <= within && (best === undefined || Math.abs(m.at - at) < Math.abs(best.at - at))) best = m;
  }
  return best;
}

function Activity({ levels }: { levels: readonly number[] }): JSX.Element {
  const outline = levels.map((level, i) => `L${i} ${100 - level}L${i + 1} ${100 - level}`).join('');
  return (
    <svg class="activity" viewBox={`0 0 ${Math.max(levels.length, 1)} 100`} preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 100${outline}L${levels.length} 100Z`} />
    </svg>
  );
}

const restTime = 120; // milliseconds that the pointer has to rest for a picture

function Preview({ player, at, left, mark }: { player: Player; at: number; left: string; mark: Mark | undefined }): JSX.Element {
  const [picture, show] = useState<string | undefined>();
  const second = Math.floor(at);
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => void player.picture(second).then((url) => { if (!over) show(url); }), restTime);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [player, second]);
  return (
    <div class="preview" style={{ left }} aria-hidden="true">
      {picture !== undefined && <img src={picture} alt="" />}
      <span>{clock(at)}{mark !== undefined && ` · ${describe(mark)}`}</span>
    </div>
  );
}

function Search({ player, found, onClose }: { player: Player; found: readonly Mark[] | undefined; onClose: () => void }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <form
      class="player-search"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        void player.search(field.current?.value ?? '');
      }}
      onKeyDown={(e) => {
        if (e.key === 'Escape') onClose();
      }}
    >
      <input ref={field} type="search" aria-label="Search what was typed" placeholder="Search what was typed" maxLength={200} />
      <button type="submit">Search</button>
      <div role="status">
        {found?.length === 0 && <p class="hint">Nothing that was typed has this in it.</p>}
      </div>
      {found !== undefined && found.length > 0 && (
        <ul>
          {found.map((m) => (
            <li key={m.at}>
              <button type="button" class="bare" onClick={() => player.seek(m.at)}><b>{clock(m.at)}</b> {m.text}</button>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}
