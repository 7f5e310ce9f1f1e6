// How far the bench is, and how long it will still take: by what was estimated for each step, corrected by how long the
// steps so far have really taken. Pure but for the clock, which is handed in.

export class Progress {
  #total;
  #done = 0;
  #current = 0;
  #begin;
  #now;

  /** `total`: estimated seconds of everything. `now`: milliseconds. */
  constructor(total, now = () => performance.now()) {
    this.#total = total;
    this.#now = now;
    this.#begin = now();
  }

  /** A step of so many estimated seconds begins: the one before is over. Gives the line to print before it. */
  step(seconds, text) {
    this.#done += this.#current;
    this.#current = seconds;
    return `[${clock(this.gone())} gone, about ${clock(this.left())} left] ${text}`;
  }

  /** Seconds since the beginning. */
  gone() {
    return (this.#now() - this.#begin) / 1000;
  }

  /** Seconds left, by the pace so far. A few steps say little: the estimate counts as two minutes of them. */
  left() {
    const trust = 120;
    const pace = (this.gone() + trust) / (this.#done + trust);
    return Math.max(0, this.#total - this.#done) * pace;
  }
}

/** Seconds as minutes and seconds. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
