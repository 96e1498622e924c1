import { describe, expect, it } from 'vitest';
import { questionURL, sameOrigin, shown, socketURL, type Where } from './url.ts';

const page = 'https://gate.example/desk/vnc.html?autoconnect=1#password=x';

function socket(where: Partial<Where>, from = page): string {
  return socketURL({ host: '', port: 0, encrypt: true, path: 'websockify', ...where }, new URL(from)).href;
}

describe('without a host', () => {
  it.each<[string, string, string]>([
    ['the default', 'websockify', 'wss://gate.example/desk/websockify'],
    ['a token', 'websockify?token=X', 'wss://gate.example/desk/websockify?token=X'],
    ['a token alone', '?token=X', 'wss://gate.example/desk/?token=X'],
    ['from the root', '/ws', 'wss://gate.example/ws'],
    ['upwards', '../other/ws', 'wss://gate.example/other/ws'],
    ['a whole address', 'wss://other.example:8443/x', 'wss://other.example:8443/x'],
    ['a whole address in other words', 'https://other.example/x', 'wss://other.example/x'],
    ['an address without scheme', '//other.example/x', 'wss://other.example/x'],
    ['with a fragment', 'ws#frag', 'wss://gate.example/desk/ws'],
    ['the page itself', '', 'wss://gate.example/desk/vnc.html?autoconnect=1'],
  ])('%s', (_, path, want) => expect(socket({ path })).toBe(want));

  it('follows the scheme and the port of the page', () => {
    expect(socket({}, 'http://127.0.0.1:6080/vnc.html')).toBe('ws://127.0.0.1:6080/websockify');
    expect(socket({ encrypt: true }, 'http://127.0.0.1:6080/')).toBe('ws://127.0.0.1:6080/websockify');
  });

  it.each(['javascript:alert(1)', 'mailto:x@example', 'data:,x'])('refuses %s', (path) =>
    expect(() => socket({ path })).toThrow(TypeError),
  );
});

describe('with a host', () => {
  it.each<[string, Partial<Where>, string]>([
    ['a name', { host: 'h' }, 'wss://h/websockify'],
    ['a port', { host: 'h', port: 8443 }, 'wss://h:8443/websockify'],
    ['the default port of the scheme', { host: 'h', port: 80, encrypt: false }, 'ws://h/websockify'],
    ['not encrypted', { host: 'h', encrypt: false }, 'ws://h/websockify'],
    ['a port in the name', { host: 'h:6080', encrypt: false }, 'ws://h:6080/websockify'],
    ['slashes before the path', { host: 'h', path: '//evil/x' }, 'wss://h///evil/x'],
    ['IPv6', { host: '::1', port: 6080 }, 'wss://[::1]:6080/websockify'],
    ['IPv6 in brackets', { host: '[fe80::1]' }, 'wss://[fe80::1]/websockify'],
    ['IPv4', { host: '10.0.0.1', port: 1 }, 'wss://10.0.0.1:1/websockify'],
    ['a token', { host: 'h', path: '?token=X' }, 'wss://h/?token=X'],
  ])('%s', (_, where, want) => expect(socket(where)).toBe(want));

  it('refuses a host that is none', () => expect(() => socket({ host: 'a b' })).toThrow(TypeError));
});

it('asks at the same place by http', () => {
  expect(questionURL(new URL('wss://h:1/p?token=X')).href).toBe('https://h:1/p?token=X');
  expect(questionURL(new URL('ws://h/p')).href).toBe('http://h/p');
});

it('asks nobody else', () => {
  expect(sameOrigin(new URL('wss://gate.example/x'), new URL(page))).toBe(true);
  expect(sameOrigin(new URL('ws://gate.example/x'), new URL(page))).toBe(false);
  expect(sameOrigin(new URL('wss://gate.example:444/x'), new URL(page))).toBe(false);
});

it('shows no token and no password', () => {
  expect(shown(new URL('wss://me:secret@h/p?token=X'))).toBe('wss://h/p');
});
