import { describe, expect, it } from 'vitest';
import { isStored, names, parameters, parse, resolve, type Given, type Name, type Sources } from './settings.ts';

function sources(given: Partial<Sources>): Sources {
  return { mandatory: {}, fragment: {}, query: {}, stored: {}, defaults: {}, ...given };
}

function value(name: Name, given: Partial<Sources>): unknown {
  return resolve(sources(given), false).values[name];
}

describe('built-in values', () => {
  it("are those of noVNC's own page", () => {
    expect(resolve(sources({}), true).values).toMatchObject({
      host: '',
      port: 0,
      encrypt: true,
      path: 'websockify',
      password: '',
      autoconnect: false,
      reconnect: false,
      reconnect_delay: 5000,
      shared: true,
      view_only: false,
      view_clip: false,
      resize: 'off',
      quality: 6,
      compression: 2,
      repeaterID: '',
      bell: true,
      show_dot: false,
      logging: 'warn',
      keep_device_awake: false,
    });
  });

  it('encrypt follows the scheme of the page', () => {
    expect(resolve(sources({}), true).values.encrypt).toBe(true);
    expect(resolve(sources({}), false).values.encrypt).toBe(false);
  });
});

describe('precedence', () => {
  const order: (keyof Sources)[] = ['mandatory', 'fragment', 'query', 'stored', 'defaults'];
  it.each(order)('%s wins over all that come after it', (winner) => {
    const given: Partial<Record<keyof Sources, Given>> = {};
    for (const source of order.slice(order.indexOf(winner))) given[source] = { path: source };
    expect(value('path', given)).toBe(winner);
  });

  it('passes over values that make no sense', () => {
    expect(value('quality', { fragment: { quality: 'abc' }, query: { quality: '10' }, stored: { quality: '3' } })).toBe(3);
    expect(value('resize', { query: { resize: 'huge' }, defaults: { resize: 'scale' } })).toBe('scale');
    expect(value('port', { mandatory: { port: null }, query: { port: '99999' } })).toBe(0);
  });

  it('marks what is mandatory as fixed, and only that', () => {
    const { fixed } = resolve(sources({ mandatory: { view_only: true, quality: 99 }, query: { path: 'x' } }), false);
    expect([...fixed]).toEqual(['view_only']);
  });

  it('does not take inherited properties for settings', () => {
    const odd = Object.create({ path: 'inherited' }) as Given;
    expect(value('path', { query: odd })).toBe('websockify');
  });
});

describe('words in values', () => {
  it.each([
    ['1', true],
    ['true', true],
    ['yes', true],
    ['', true],
    ['0', false],
    ['no', false],
    ['False', false],
    ['off', false],
  ])('view_only=%s', (raw, want) => expect(parse('view_only', raw)).toBe(want));

  it.each([
    ['1', true],
    ['true', true],
    ['yes', false],
    ['0', false],
    ['', false],
  ])('autoconnect=%s, only on plain words', (raw, want) => expect(parse('autoconnect', raw)).toBe(want));

  it.each([
    ['on', true],
    ['off', false],
    ['0', false],
  ])('bell=%s', (raw, want) => expect(parse('bell', raw)).toBe(want));

  it('takes the types of JSON too', () => {
    expect(parse('view_only', true)).toBe(true);
    expect(parse('view_only', false)).toBe(false);
    expect(parse('quality', 9)).toBe(9);
    expect(parse('reconnect_delay', 0)).toBe(0);
    expect(parse('autoconnect', true)).toBe(true);
    expect(parse('path', { a: 1 })).toBeUndefined();
    expect(parse('view_only', null)).toBeUndefined();
  });
});

describe('parameters', () => {
  it.each<[string, Given]>([
    ['', {}],
    ['?', {}],
    ['?path=websockify%3Ftoken%3DX', { path: 'websockify?token=X' }],
    ['#password=a+b%26c&view_only=1', { password: 'a+b&c', view_only: '1' }],
    ['?path=a&path=b', { path: 'b' }],
    ['?path=a=b', { path: 'a=b' }],
    ['?path', {}],
    ['?=x', {}],
    ['?password=100%', { password: '100%' }],
  ])('%s', (part, want) => expect(parameters(part)).toEqual(want));
});

it('keeps no password', () => {
  expect(names.filter((n) => !isStored(n))).toEqual(['password', 'autoconnect', 'scale', 'notices']);
});
