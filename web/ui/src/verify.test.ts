import { expect, it, vi } from 'vitest';
import { fingerprint } from './verify.ts';

it('is the first eight bytes of the SHA-1', async () => {
  vi.stubGlobal('isSecureContext', true);
  // SHA-1 of "abc" (FIPS 180-4 example): a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d
  expect(await fingerprint(new TextEncoder().encode('abc'))).toBe('a9-99-3e-36-47-06-81-6a');
});

it('says so where there is no cryptography', async () => {
  vi.stubGlobal('isSecureContext', false);
  expect(await fingerprint(new Uint8Array(1))).toMatch(/https/);
});
