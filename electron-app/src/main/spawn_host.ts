/** Starts the engine host as a child process: Electron run as Node, which loads the addon. */
import { fork } from 'child_process';
import * as path from 'path';
import type { FromHost } from '../shared/host_messages';
import { isFields } from '../shared/parse';
import type { HostListeners, HostProcess } from './engine_host';

/** The host is our own code: its messages are told apart by their tag only. */
function isFromHost(message: unknown): message is FromHost {
  return isFields(message) && typeof message.kind === 'string';
}

export function spawnHost(listeners: HostListeners, log: (line: string) => void): HostProcess {
  // `fork` sets ELECTRON_RUN_AS_NODE by itself; no flags of ours may reach the child's command line.
  const child = fork(path.join(__dirname, '..', 'engine-host', 'host.js'), [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      for (const line of chunk.split('\n')) if (line.trim() !== '') log(line);
    });
  }
  child.on('message', (message: unknown) => {
    if (isFromHost(message)) listeners.message(message);
  });
  child.on('error', (error) => {
    log(`engine host: ${error.message}`);
    // A process that could not be started has no `exit`.
    if (child.pid === undefined) listeners.exit(error.message);
  });
  child.on('exit', (code, signal) => listeners.exit(signal === null ? `code ${String(code)}` : signal));
  return {
    send: (message) => {
      // A child that just died refuses with an error event or a callback error: its `exit` tells what matters.
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}
