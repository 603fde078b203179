// Labels per minute and the time left, from when the labels were given.

const PAUSE_SECONDS = 60;
const WINDOW = 30;

export class Pace {
  /** Seconds since the epoch of the last labels, a pause of more than a minute counting as none. */
  private readonly gaps: number[] = [];
  private last: number | null = null;

  add(seconds: number): void {
    if (this.last !== null) {
      const gap = seconds - this.last;
      if (gap >= 0 && gap <= PAUSE_SECONDS) {
        this.gaps.push(gap);
        if (this.gaps.length > WINDOW) {
          this.gaps.shift();
        }
      }
    }
    this.last = seconds;
  }

  /** NaN until two labels were given without a pause between them. */
  get perMinute(): number {
    const total = this.gaps.reduce((sum, gap) => sum + gap, 0);
    return total > 0 ? (60 * this.gaps.length) / total : NaN;
  }

  /** Seconds until `left` more labels are given at this pace. */
  secondsFor(left: number): number {
    return (60 * Math.max(0, left)) / this.perMinute;
  }
}

export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) {
    return '–';
  }
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
