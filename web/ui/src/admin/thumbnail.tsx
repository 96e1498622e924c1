// A small picture of a display's screen, taken while it is to be seen.

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { every, type Picture, type Pictures } from './pictures.ts';
import { lasted } from './words.ts';

/** Thumbnail is the picture, with its age; in place of one that is not there stands why. */
export function Thumbnail({ target, pictures }: { target: string; pictures: Pictures }): JSX.Element {
  const frame = useRef<HTMLElement>(null);
  useSeen(frame, () => pictures.show(target));
  const picture = usePicture(pictures, target);
  if (picture?.url === undefined) {
    return (
      <figure class="thumbnail" ref={frame} title={picture?.why}>
        <figcaption>{picture === undefined ? '…' : 'No picture'}</figcaption>
        {picture !== undefined && <span class="hidden">{picture.why}</span>}
      </figure>
    );
  }
  const age = Date.now() - picture.at;
  const old = picture.why !== '' || age > 3 * every;
  return (
    <figure class={old ? 'thumbnail old' : 'thumbnail'} ref={frame} title={picture.why}>
      <img src={picture.url} alt={`Screen of ${target}, ${lasted(age)} ago`} />
      <figcaption aria-hidden="true">{lasted(age)}</figcaption>
    </figure>
  );
}

// useSeen calls begin when an element comes onto the screen, and what that returns when it has left. An element shows
// one display as long as it is there.
function useSeen(at: { current: HTMLElement | null }, begin: () => () => void): void {
  useEffect(() => {
    if (at.current === null) return undefined;
    let end: (() => void) | undefined;
    const watcher = new IntersectionObserver((entries) => {
      end?.();
      end = entries.at(-1)?.isIntersecting === true ? begin() : undefined;
    });
    watcher.observe(at.current);
    return () => {
      watcher.disconnect();
      end?.();
    };
  }, []);
}

// usePicture follows one display's, and wakes the pictures when the page is seen again.
function usePicture(pictures: Pictures, target: string): Picture | undefined {
  const [picture, set] = useState(pictures.store.get().of.get(target));
  useEffect(() => {
    const follow = (): void => set(pictures.store.get().of.get(target));
    const seen = (): void => pictures.soon();
    document.addEventListener('visibilitychange', seen);
    const end = pictures.store.watch(follow);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      end();
    };
  }, [pictures, target]);
  return picture;
}
