/**
 * Supervises the engine host: one child process that owns the addon.
 *
 * It starts it, starts it again when it dies, and turns commands into outcomes. What the session was is not known
 * here: `onReady` tells the owner, who replays it. Processes and time come from outside, so that tests give their own.
 */
import type { HostStatus } from '../shared/contract';
import type { FromHost, ToHost } from '../shared/host_messages';
import type { Command, EngineEvent, Outcome, Problem } from '../shared/model';
import { afterDeath } from './restart_policy';

/** A running child process. */
export interface HostProcess {
  send(message: ToHost): void;
  kill(): void;
}

export interface HostListeners {
  message(message: FromHost): void;
  /** Called once; nothing follows. */
  exit(how: string): void;
}

export interface EngineHostOptions {
  spawn(listeners: HostListeners): HostProcess;
  now(): number;
  /** Calls `then` later; the result cancels it. */
  after(ms: number, then: () => void): () => void;
  onStatus(status: HostStatus): void;
  onEvent(event: EngineEvent): void;
  /** A fresh engine answers now; `restarted` where it takes the place of one that died. */
  onReady(restarted: boolean): void;
}

/** A command that takes longer has hung: probing, the slowest, takes two seconds on a weak machine. */
const ANSWER_LIMIT_MS = 30_000;
/** How long a command waits for an engine that is being restarted. */
const READY_LIMIT_MS = 10_000;
/** How long the engine may take to end in order before it is killed. */
const SHUTDOWN_LIMIT_MS = 3_000;
/** The same while a file is written: the engine's own limit for rewriting a long recording, and a little. */
const WRITING_LIMIT_MS = 32_000;

export function failed(problem: Problem): Outcome {
  return { type: 'failed', problem };
}

export const problems = {
  interrupted: {
    code: 'engine_interrupted',
    message: 'The media engine stopped before it could answer.',
    hint: 'It is being restarted; try again in a moment.',
  },
  notAnswering: {
    code: 'engine_not_answering',
    message: 'The media engine does not answer.',
    hint: 'Restart the engine from the message in the window, or restart the app.',
  },
  closing: {
    code: 'engine_closing',
    message: 'The app is closing.',
    hint: 'Open the app again.',
  },
} as const;

interface Pending {
  resolve(outcome: Outcome): void;
  cancelLimit(): void;
}

export class EngineHost {
  private process: HostProcess | undefined;
  private ready = false;
  private everReady = false;
  private startedAt = 0;
  private deaths: number[] = [];
  private nextId = 1;
  private pending = new Map<number, Pending>();
  private waiting: Array<() => void> = [];
  private stopping = false;
  private exited: (() => void) | undefined;
  private cancelRestart: (() => void) | undefined;
  private currentStatus: HostStatus = { kind: 'starting' };

  constructor(private readonly options: EngineHostOptions) {}

  get status(): HostStatus {
    return this.currentStatus;
  }

  /** Starts the process; also the way back after the supervisor gave up. */
  start(): void {
    if (this.process !== undefined || this.stopping) return;
    this.cancelRestart?.();
    this.cancelRestart = undefined;
    if (this.currentStatus.kind === 'failed') {
      this.deaths = [];
      this.setStatus({ kind: 'starting' });
    }
    this.startedAt = this.options.now();
    // A late message of a process that died must not be taken for one of its successor.
    let gone = false;
    this.process = this.options.spawn({
      message: (message) => {
        if (!gone) this.onMessage(message);
      },
      exit: (how) => {
        if (gone) return;
        gone = true;
        this.onExit(how);
      },
    });
  }

  /** Sends a command to the engine, when there is one again; never rejects. */
  async dispatch(command: Command): Promise<Outcome> {
    if (this.stopping) return failed(problems.closing);
    if (!this.ready) await this.whenReady();
    const child = this.process;
    if (!this.ready || child === undefined) {
      return failed(this.currentStatus.kind === 'failed' ? this.currentStatus.problem : problems.notAnswering);
    }
    const id = this.nextId++;
    return new Promise((resolve) => {
      const cancelLimit = this.options.after(ANSWER_LIMIT_MS, () => this.settle(id, failed(problems.notAnswering)));
      this.pending.set(id, { resolve, cancelLimit });
      child.send({ kind: 'dispatch', id, command });
    });
  }

  /** Ends the engine in order; kills it where that takes too long: `writing` gives it time to close a file. */
  stop(writing = false): Promise<void> {
    this.stopping = true;
    this.cancelRestart?.();
    const child = this.process;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.options.after(writing ? WRITING_LIMIT_MS : SHUTDOWN_LIMIT_MS, () => {
        child.kill();
        resolve();
      });
      this.exited = () => {
        cancel();
        resolve();
      };
      child.send({ kind: 'shutdown' });
    });
  }

  private onMessage(message: FromHost): void {
    switch (message.kind) {
      case 'ready': {
        this.ready = true;
        const restarted = this.everReady;
        this.everReady = true;
        this.setStatus({ kind: 'running' });
        // First the owner, who replays the session; then those who waited: what they ask comes after it.
        this.options.onReady(restarted);
        this.releaseWaiting();
        return;
      }
      case 'outcome':
        this.settle(message.id, message.outcome);
        return;
      case 'event':
        this.options.onEvent(message.event);
        return;
      case 'unusable':
        this.giveUp({
          code: 'engine_unusable',
          message: `The media engine can't be loaded: ${message.reason}`,
          hint: 'Build it again with `npm start`, or reinstall the app.',
        });
        return;
    }
  }

  private onExit(how: string): void {
    this.process = undefined;
    this.ready = false;
    for (const id of [...this.pending.keys()]) this.settle(id, failed(problems.interrupted));
    if (this.stopping) {
      this.exited?.();
      return;
    }
    if (this.currentStatus.kind === 'failed') return;
    this.deaths.push(this.options.now());
    this.deaths = this.deaths.slice(-10);
    const verdict = afterDeath(this.deaths, this.startedAt);
    if (verdict.kind === 'give_up') {
      this.giveUp({
        code: 'engine_keeps_crashing',
        message: `The media engine keeps stopping (${how}).`,
        hint: 'Copy the diagnostics and report them; a smaller size or another source may help until then.',
      });
      return;
    }
    this.setStatus({ kind: 'restarting', attempt: verdict.attempt });
    if (verdict.afterMs === 0) this.start();
    else this.cancelRestart = this.options.after(verdict.afterMs, () => this.start());
  }

  private giveUp(problem: Problem): void {
    this.setStatus({ kind: 'failed', problem });
    this.releaseWaiting();
  }

  private settle(id: number, outcome: Outcome): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    pending.cancelLimit();
    pending.resolve(outcome);
  }

  private whenReady(): Promise<void> {
    if (this.currentStatus.kind === 'failed') return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.options.after(READY_LIMIT_MS, resolve);
      this.waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  private releaseWaiting(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const release of waiting) release();
  }

  private setStatus(status: HostStatus): void {
    this.currentStatus = status;
    this.options.onStatus(status);
  }
}
