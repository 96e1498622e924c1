// The bell, as a tone made here: two soft partials that fade out within a third of a second.

const partials: readonly { frequency: number; level: number }[] = [
  { frequency: 880, level: 0.12 },
  { frequency: 1320, level: 0.05 },
];
const length = 0.35; // seconds

/** Bell rings at the display's wish. */
export class Bell {
  private audio: AudioContext | undefined;

  /** ring plays the tone; a browser that has not been clicked on yet stays silent. */
  async ring(): Promise<void> {
    try {
      this.audio ??= new AudioContext();
      if (this.audio.state === 'suspended') await this.audio.resume();
      for (const p of partials) this.tone(this.audio, p.frequency, p.level);
    } catch {
      // No sound device, or sound is not allowed: nothing that the user could or should do about it.
    }
  }

  private tone(audio: AudioContext, frequency: number, level: number): void {
    const start = audio.currentTime;
    const gain = new GainNode(audio, { gain: 0 });
    gain.gain.linearRampToValueAtTime(level, start + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + length);
    const tone = new OscillatorNode(audio, { frequency, type: 'sine' });
    tone.connect(gain).connect(audio.destination);
    tone.start(start);
    tone.stop(start + length);
  }
}
