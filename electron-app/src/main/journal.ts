/** The last things that happened, redacted as they come in: what "copy diagnostics" gives out. */
import { redact, redactText } from '../shared/redact';

/** Enough for the minutes before a failure, small enough to paste into a report. */
const KEPT = 200;

export interface Entry {
  at: string;
  what: string;
  detail?: unknown;
}

export class Journal {
  private entries: Entry[] = [];

  note(what: string, detail?: unknown): void {
    this.entries.push({ at: new Date().toISOString(), what: redactText(what), detail: redact(detail) });
    if (this.entries.length > KEPT) this.entries.splice(0, this.entries.length - KEPT);
  }

  all(): readonly Entry[] {
    return this.entries;
  }
}
