/**
 * What was asked of the engine, in the order in which it was asked, and how a restarted engine is brought back to it.
 *
 * It knows the session and the engine's last state; what a command means to the user is other rooms'.
 */
import type { HostStatus, Notice, StateView } from '../shared/contract';
import type { Command, Outcome, Reply, State } from '../shared/model';
import { remember, replay, switched, type Session } from '../shared/session';
import { allTogether } from './live_state';
import type { Grants } from './grants';
import { ProblemError } from './problem';
import { stateView } from './state_view';

/** The part of the supervisor that is needed here. */
export interface Engine {
  readonly status: HostStatus;
  dispatch(command: Command): Promise<Outcome>;
}

export interface LineListeners {
  state(state: StateView): void;
  notice(notice: Notice): void;
}

/** A port that the dead engine held can stay taken for a moment; three tries span the time a kill needs. */
const SERVER_TRIES = 3;
const SERVER_PAUSE_MS = 200;

export class EngineLine {
  private lastState: State | undefined;
  private liveSince: number | undefined;
  private server: { port: number; viewToken: string } | undefined;
  /** Commands that change something run one after the other. */
  private queue: Promise<unknown> = Promise.resolve();
  private restored: Promise<void> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    private asked: Session,
    private readonly listeners: LineListeners,
    private readonly pause: (ms: number) => Promise<void>,
    private readonly grants: Pick<Grants, 'all'>,
  ) {}

  get session(): Session {
    return this.asked;
  }

  get state(): State | undefined {
    return this.lastState;
  }

  get view(): StateView | undefined {
    return this.lastState === undefined ? undefined : this.viewOf(this.lastState);
  }

  /** Where the local server was last: a link that was given away stays good. */
  get lastServer(): { port: number; viewToken: string } | undefined {
    return this.server;
  }

  get isCapturing(): boolean {
    return this.asked.capture !== undefined || this.asked.scene !== undefined;
  }

  /** Whether any place of the list is switched on in the engine. */
  get listIsLive(): boolean {
    return Object.values(this.asked.destinations).some((each) => each.running);
  }

  /** In turn with the others, and after a restarted engine is where the session stands. */
  change(work: () => Promise<void>): Promise<void> {
    const run = this.queue.then(() => this.restored).then(work);
    this.queue = run.catch(() => undefined);
    return run;
  }

  /** Sends it and remembers what it changed. */
  async send(command: Command): Promise<void> {
    this.took(command, await this.ask(command));
  }

  /** The engine's answer; its refusal is a `ProblemError`. */
  async ask(command: Command): Promise<Reply> {
    const outcome = await this.engine.dispatch(command);
    if (outcome.type === 'failed') throw new ProblemError(outcome.problem);
    return outcome.reply;
  }

  /** As {@link send}; gives the refusal back where the caller has another way. */
  async try(command: Command): Promise<ProblemError | undefined> {
    const outcome = await this.engine.dispatch(command);
    if (outcome.type === 'failed') return new ProblemError(outcome.problem);
    this.took(command, outcome.reply);
    return undefined;
  }

  /** The user ended it: the timer begins anew next time. */
  ended(): void {
    this.liveSince = undefined;
  }

  /** A fresh engine answers: brings it to where the session stands. */
  engineReady(restarted: boolean): void {
    this.restored = this.restore(restarted);
  }

  private async restore(restarted: boolean): Promise<void> {
    const granted = this.grants.all().map((grant): Command => ({ type: 'remember_source', ...grant }));
    for (const command of [...granted, ...replay(this.asked)]) {
      const outcome =
        command.type === 'start_local_server' ? await this.reopen(command) : await this.engine.dispatch(command);
      if (outcome.type === 'ok') {
        this.took(command, outcome.reply);
        continue;
      }
      this.listeners.notice({ kind: command.type === 'start_capture' || command.type === 'set_scene' ? 'error' : 'warning', problem: outcome.problem });
      if (outcome.problem.code === 'engine_interrupted') return;
    }
    if (restarted) this.listeners.notice({ kind: 'engine_restarted' });
  }

  private async reopen(command: Extract<Command, { type: 'start_local_server' }>): Promise<Outcome> {
    for (let attempt = 1; attempt <= SERVER_TRIES; attempt += 1) {
      const outcome = await this.engine.dispatch(command);
      if (outcome.type === 'ok' || outcome.problem.code === 'engine_interrupted') return outcome;
      await this.pause(SERVER_PAUSE_MS);
    }
    const outcome = await this.engine.dispatch({ ...command, port: 0 });
    if (outcome.type === 'ok') this.listeners.notice({ kind: 'view_link_changed' });
    return outcome;
  }

  private took(command: Command, reply: Reply): void {
    this.asked = remember(this.asked, command, reply);
    if (reply.type === 'local_server') {
      this.server = { port: reply.localServer.port, viewToken: reply.localServer.viewToken };
    }
    // Where it goes is known here, not to the engine's state: the page must learn it even without a new event.
    const goesElsewhere = ['start_publish', 'stop_publish', 'start_destination', 'stop_destination'].includes(command.type);
    if (this.lastState !== undefined && goesElsewhere) {
      this.listeners.state(this.viewOf(this.lastState));
    }
  }

  takeState(state: State): void {
    this.lastState = state;
    // The timer counts from the first live moment, through reconnections and restarts of the engine.
    const publish = allTogether(state.publish, state.destinations);
    if (publish.kind === 'live' && this.liveSince === undefined) this.liveSince = publish.sinceMs;
    for (const { id, state: its } of state.destinations) {
      // The engine gave this one up: a restart must not begin it again behind the user's back.
      if (its.kind === 'failed') this.asked = switched(this.asked, id, false);
    }
    if (state.publish.kind === 'failed') {
      // The engine gave up: a restart must not begin it again behind the user's back.
      this.asked = { ...this.asked, publish: undefined };
      this.liveSince = undefined;
    }
    this.listeners.state(this.viewOf(state));
  }

  private viewOf(state: State): StateView {
    return stateView(state, { publish: this.asked.publish, listIsLive: this.listIsLive, liveSince: this.liveSince });
  }
}

/** An answer to another question than the one that was asked. */
export function unexpected(reply: Reply): ProblemError {
  return new ProblemError({
    code: 'internal',
    message: `The media engine answered "${reply.type}", which was not asked.`,
    hint: 'The app and its engine are of different versions: build or install it again.',
  });
}
