/** Connects one engine to the parent process: commands in, outcomes and events out. */
import type { Engine } from '../../native/index';
import type { FromHost, ToHost } from '../shared/host_messages';
import { isFields } from '../shared/parse';
import type { EngineClass } from './addon';

/** The page's origin, the only one that may open the engine's local endpoint. */
const ALLOWED_ORIGINS = ['tidecast://app'];

/** Our own parent sends these: they are told apart by their tag only. */
function isToHost(message: unknown): message is ToHost {
  return isFields(message) && (message.kind === 'dispatch' || message.kind === 'shutdown');
}

export function serve(loadEngine: () => EngineClass): void {
  const say = (message: FromHost): void => {
    if (process.connected) process.send?.(message);
  };

  let engine: Engine;
  try {
    const EngineOfAddon = loadEngine();
    engine = new EngineOfAddon({ allowedOrigins: ALLOWED_ORIGINS }, (event) => say({ kind: 'event', event }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.send?.({ kind: 'unusable', reason }, () => process.exit(1));
    return;
  }

  const end = (): void => {
    engine.shutdown().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };

  process.on('message', (message: unknown) => {
    if (!isToHost(message)) return;
    if (message.kind === 'shutdown') {
      end();
      return;
    }
    const { id, command } = message;
    engine.dispatch(command).then(
      (outcome) => say({ kind: 'outcome', id, outcome }),
      // The command did not have the shape that the addon takes: napi refuses it before the engine sees it.
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        const problem = { code: 'bad_request', message, hint: 'Copy the diagnostics and report them.' };
        say({ kind: 'outcome', id, outcome: { type: 'failed', problem } });
      },
    );
  });
  // The app died: nobody could ever stop this process again.
  process.on('disconnect', end);
  // A Ctrl+C in the terminal reaches the whole group; the parent decides when this process ends.
  process.on('SIGINT', () => undefined);
  say({ kind: 'ready' });
}
