// Waiting for things in tests: always for a condition, always with a deadline, never for a time that hopes.

/** Resolves with the first truthy value of `probe`; fails after `deadline` ms, saying what was awaited. */
export async function until(what, probe, { deadline = 15_000, every = 50 } = {}) {
  const end = performance.now() + deadline;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) break;
    await pause(every);
  }
  const seen = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`${what}: not within ${deadline} ms (last: ${String(seen).slice(0, 500)})`);
}

/** A measuring interval. Not for waiting on something that can be asked for. */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wall clock, milliseconds with a fraction: what the pattern's stamps count in. */
export function wallClock() {
  return performance.timeOrigin + performance.now();
}

/** The value below which `share` (0 to 1) of the numbers lie. */
export function percentile(numbers, share) {
  if (numbers.length === 0) return NaN;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(numbers) {
  return percentile(numbers, 0.5);
}

/** How something went on its way: a dozen of its numbers. */
export function onTheWay(numbers) {
  const every = Math.max(1, Math.round(numbers.length / 12));
  return numbers.filter((_, at) => at % every === 0).map((number) => number.toFixed(1)).join(", ");
}
