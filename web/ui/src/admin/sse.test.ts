import { describe, expect, it } from 'vitest';
import { Reader } from './sse.ts';

describe('Reader', () => {
  const text = 'retry: 2000\n\nid: a-1\nevent: X\ndata: {"a":1}\n\n:\n\nid: a-2\ndata:one\ndata: two\n\n';
  const want = [
    { id: 'a-1', event: 'X', data: '{"a":1}' },
    { id: 'a-2', event: '', data: 'one\ntwo' },
  ];

  it('takes a stream apart, wherever its pieces end', () => {
    for (let size = 1; size <= text.length; size++) {
      const reader = new Reader();
      const got = [];
      for (let i = 0; i < text.length; i += size) got.push(...reader.take(text.slice(i, i + size)));
      expect(got).toEqual(want);
    }
  });

  it('keeps what is not complete', () => {
    const reader = new Reader();
    expect(reader.take('data: x\n')).toEqual([]);
    expect(reader.take('\n')).toEqual([{ id: '', event: '', data: 'x' }]);
  });
});
