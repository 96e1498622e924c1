import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blank, closeCode } from './ending.ts';
import { bare, known, policyWords } from './policywords.ts';
import { explain } from './words.ts';

const gateway = join(import.meta.dirname, '../../../gateway');
const sources = bare(
  readdirSync(gateway)
    .filter((name) => name.endsWith('.go') && !name.endsWith('_test.go'))
    .map((name) => join(gateway, name))
    .concat(
      ['cmd/vncgate/wire_capability.go', 'cmd/vncgate/wire_tickets.go', 'cmd/vncgate/wire_share.go', 'web/route.go'].map((name) =>
        join(gateway, '..', name),
      ),
    )
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n'),
);

describe('policyWords', () => {
  it.each(Object.keys(known))('the gateway says: %s', (said) => expect(sources).toContain(`"${said}`));

  it.each(Object.entries(known))('%s: says more', (said, words) => {
    expect(bare(said)).toBe(said);
    expect(words.text.length).toBeGreaterThan(30);
    expect(words.text).toMatch(/[.]$/);
  });

  it('knows nothing else', () => {
    expect(policyWords('')).toBeUndefined();
    expect(policyWords('constructor')).toBeUndefined();
    expect(policyWords('Something new.')).toBeUndefined();
  });
});

describe('an end by a rule', () => {
  const words = (code: number, reason: string): ReturnType<typeof explain> =>
    explain({ ...blank, opened: true, connected: true, code, reason }, true);

  it.each([
    [closeCode.policy, 'Your access to this display was withdrawn.', /withdrawn/, false],
    [closeCode.policy, 'Your time on this display is over.', /over/, false],
    [closeCode.policy, 'Your session was ended.', /ended/, false],
    [closeCode.policy, 'You were sent away from this display. Wait for 1m0s before you try again.', /sent away/, false],
    [closeCode.policy, 'Words of an administrator.', /was ended/, false],
    [closeCode.policy, 'This link was taken back.', /link was taken back/, false],
    [closeCode.policy, 'This link has been used as often as it may be. Ask for a new one.', /link is used up/, false],
    [closeCode.policy, 'This link is in use already. Close the other window, or ask for a new link.', /link is in use/, true],
    [closeCode.policy, 'This link is too old. Ask for a new one.', /link has run out/, false],
    [closeCode.restart, 'Your rights on this display have changed. Connect again to go on.', /rights have changed/, true],
    [closeCode.tryLater, 'This display is in use. Try again later.', /in use/, true],
    [closeCode.tryLater, 'The gateway is full. Try again later.', /full/, true],
    [closeCode.goingAway, 'The gateway is shutting down.', /shutting down/, true],
  ])('%d, %s', (code, reason, title, again) => {
    const told = words(code, reason);
    expect(told.title).toMatch(title);
    expect(told.again).toBe(again);
  });

  it('keeps words that the page does not know, and the time to wait', () => {
    expect(words(closeCode.policy, 'Words of an administrator.').said).toBe('Words of an administrator.');
    expect(words(closeCode.policy, 'You were sent away from this display. Wait for 1m0s before you try again.').said).toContain('1m0s');
  });

  it('is the same in the handshake', () => {
    const security = { status: 1, reason: 'You may not use this display.' };
    const told = explain({ ...blank, opened: true, code: closeCode.policy, security }, true);
    expect(told).toMatchObject({ title: 'Not allowed', said: '', again: false, ask: false });
  });
});
