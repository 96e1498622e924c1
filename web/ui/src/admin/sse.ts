// Server-sent events by fetch: EventSource sends no Authorization header.

/** Message is one event of a stream (HTML Living Standard, 9.2.6). */
export interface Message {
  id: string;
  event: string;
  data: string;
}

/** Reader takes a stream apart as its pieces come. */
export class Reader {
  private rest = '';
  private id = '';
  private event = '';
  private data: string[] = [];

  /** take returns the messages that are complete with this piece. */
  take(piece: string): Message[] {
    const done: Message[] = [];
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        this.line(line);
        continue;
      }
      if (this.data.length > 0) done.push({ id: this.id, event: this.event, data: this.data.join('\n') });
      this.event = '';
      this.data = [];
    }
    return done;
  }

  private line(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') this.id = value;
    else if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
  }
}
