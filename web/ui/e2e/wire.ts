// The bytes of RFB (RFC 6143) that a scripted display sends and reads.

/** bytes joins numbers (one byte each), strings (Latin-1) and buffers. */
export function bytes(...parts: (number | string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((p) => (typeof p === 'number' ? Buffer.from([p]) : typeof p === 'string' ? Buffer.from(p, 'latin1') : p)));
}

export function u16(n: number): Buffer {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(n);
  return b;
}

export function u32(n: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeInt32BE(n | 0);
  return b;
}

/** counted is a string with its length before it. */
export function counted(text: string): Buffer {
  return bytes(u32(text.length), text);
}

/** serverInit announces a display of 32 bits a pixel (RFC 6143, 7.3.2). */
export function serverInit(width: number, height: number, name: string): Buffer {
  const format = bytes(32, 24, 0, 1, u16(255), u16(255), u16(255), 16, 8, 0, 0, 0, 0);
  return bytes(u16(width), u16(height), format, counted(name));
}

function rectangle(x: number, y: number, width: number, height: number, encoding: number, data: Buffer): Buffer {
  return bytes(u16(x), u16(y), u16(width), u16(height), u32(encoding), data);
}

/** extendedDesktopSize is the pseudo-encoding by which a display offers to be resized; status 1 answers a viewer's wish. */
export const extendedDesktopSize = -308;

/** picture is an update that announces the size and paints the whole display in one colour, 0xrrggbb. */
export function picture(width: number, height: number, colour: number, asked: boolean): Buffer {
  const pixels = Buffer.alloc(width * height * 4);
  for (let i = 0; i < pixels.length; i += 4) pixels.writeUInt32BE(colour * 256, i); // noVNC asks for red first
  const screen = bytes(1, 0, 0, 0, u32(1), u16(0), u16(0), u16(width), u16(height), u32(0));
  return bytes(
    0,
    0,
    u16(2),
    rectangle(asked ? 1 : 0, 0, width, height, extendedDesktopSize, screen),
    rectangle(0, 0, width, height, 0, pixels),
  );
}

export const bell = bytes(2);

export function serverCutText(text: string): Buffer {
  return bytes(3, 0, 0, 0, counted(text));
}

/** xvpInit offers to shut down, reboot and reset (rfbproto, xvp Server Message). */
export const xvpInit = bytes(250, 0, 1, 1);

/** Message is one of a viewer's messages, in a form that a test can compare. */
export interface Message {
  length: number;
  words: string;
}

/** read takes the first message off b, or undefined if it is not complete yet. */
export function read(b: Buffer): Message | undefined {
  if (b.length < 1) return undefined;
  const type = b.readUInt8(0);
  const fixed: Record<number, number> = { 0: 20, 2: 4, 3: 10, 4: 8, 5: 6, 6: 8, 250: 4, 251: 8 };
  let length = fixed[type];
  if (length === undefined) throw new Error(`a viewer's message of unknown type ${type}`);
  if (b.length < length) return undefined;
  if (type === 2) length += 4 * b.readUInt16BE(2);
  if (type === 6) length += b.readUInt32BE(4);
  if (type === 251) length += 16 * b.readUInt8(6);
  if (b.length < length) return undefined;
  return { length, words: words(type, b.subarray(0, length)) };
}

function words(type: number, m: Buffer): string {
  switch (type) {
    case 2:
      return `encodings ${Array.from({ length: m.readUInt16BE(2) }, (_, i) => m.readInt32BE(4 + 4 * i)).join(' ')}`;
    case 3:
      return `request ${m.readUInt8(1) === 0 ? 'all' : 'changes'}`;
    case 4:
      return `key ${m.readUInt8(1) === 0 ? '-' : '+'}${m.readUInt32BE(4).toString(16)}`;
    case 5:
      return `pointer ${m.readUInt8(1)} ${m.readUInt16BE(2)},${m.readUInt16BE(4)}`;
    case 6:
      return `cut ${m.subarray(8).toString('latin1')}`;
    case 250:
      return `xvp ${m.readUInt8(3)}`;
    case 251:
      return `size ${m.readUInt16BE(2)}x${m.readUInt16BE(4)}`;
    default:
      return `type ${type}`;
  }
}
