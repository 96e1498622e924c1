import { expect, it } from 'vitest';
import { note } from './licenses.ts';

it('names each bundled package with version, licence and source', () => {
  const text = note(process.cwd());
  expect(text).toMatch(/== @novnc\/novnc 1\.7\.\d+ \(MPL-2\.0\) https:\/\/github\.com\/novnc\/noVNC/);
  expect(text).toMatch(/== preact \d+\.\d+\.\d+ \(MIT\) https:/);
  expect(text).toContain('Mozilla Public License Version 2.0');
});
