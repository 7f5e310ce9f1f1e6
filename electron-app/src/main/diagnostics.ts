/** One bundle for a bug report: versions, state, figures, the last events. No token, key or full URL is in it. */
import * as os from 'os';
import type { HostStatus, StateView, Versions } from '../shared/contract';
import type { Encoders, Stats } from '../shared/model';
import { redact } from '../shared/redact';
import type { Settings } from '../shared/settings';
import type { Entry } from './journal';

export interface DiagnosticsInput {
  versions: Versions;
  settings: Settings;
  host: HostStatus;
  state?: StateView;
  stats?: Stats;
  encoders?: Encoders;
  events: readonly Entry[];
}

export function diagnosticsBundle(input: DiagnosticsInput, now: Date): string {
  const machine = {
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processors: os.cpus().length,
    processor: os.cpus()[0]?.model ?? 'unknown',
    memoryMib: Math.round(os.totalmem() / 1024 / 1024),
    loadAverage: os.loadavg().map((value) => Number(value.toFixed(2))),
    session: process.env.XDG_SESSION_TYPE ?? '',
  };
  return JSON.stringify(redact({ madeAt: now.toISOString(), machine, ...input }), null, 2);
}
