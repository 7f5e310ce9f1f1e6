/** Going live and ending it: the local server, a WHIP address, and the list's places. */
import type { GoLiveTarget } from '../shared/contract';
import { LOCAL_ID } from '../shared/destinations';
import type { Codec, Destination, Problem } from '../shared/model';
import type { Asked } from './destination_list';
import type { EngineLine } from './engine_line';
import { ProblemError } from './problem';

export const NOTHING_ON: Problem = {
  code: 'no_destination_on',
  message: 'No destination is switched on.',
  hint: 'Switch at least one on, or add one.',
};

const NOT_CAPTURING: Problem = {
  code: 'not_capturing',
  message: 'Nothing is captured yet.',
  hint: 'Choose a screen or a window and press Start first.',
};

export class Air {
  constructor(private readonly line: EngineLine) {}

  /** Whether viewers see, or would see if the network were well. */
  get isLive(): boolean {
    return this.line.session.publish !== undefined || this.line.listIsLive;
  }

  /** Whether any place of the list is switched on in the engine. */
  get listIsLive(): boolean {
    return this.line.listIsLive;
  }

  /** `key` is the one to use, whether it was typed or unsealed. */
  goLive(target: GoLiveTarget, key: string | undefined): Promise<void> {
    return this.line.change(async () => {
      if (!this.line.isCapturing) throw new ProblemError(NOT_CAPTURING);
      if (target.kind === 'list') return;
      if (target.kind === 'whip') {
        const given = key === undefined || key === '' ? {} : { key };
        const destination = { kind: target.kind, url: target.url, ...given, simulcast: target.simulcast === true };
        await this.line.send({ type: 'start_publish', destination });
        return;
      }
      if (this.line.session.localServer?.reach !== 'network') await this.openServer();
      await this.line.send({ type: 'start_publish', destination: { kind: 'local_server' } });
    });
  }

  /** Goes live to every place that is switched on; one that can't be reached does not hold back the others. */
  goLiveToList(wanted: { local: boolean; list: Asked[]; primaries: readonly string[] }): Promise<void> {
    return this.line.change(async () => {
      if (!this.line.isCapturing) throw new ProblemError(NOT_CAPTURING);
      if (!wanted.local && wanted.list.length === 0) throw new ProblemError(NOTHING_ON);
      if (wanted.local) await this.startLocal();
      // One whose canvas has failed holds back no other; what was wrong with the first is told at the end.
      const refused: unknown[] = [];
      for (const each of wanted.list) await this.begin(each).catch((error: unknown) => refused.push(error));
      for (const id of wanted.primaries) if (this.knows(id)) await this.line.send({ type: 'choose_primary', id });
      if (refused.length > 0) throw refused[0];
    });
  }

  putDestination(asked: Asked, on: boolean): Promise<void> {
    return this.line.change(async () => {
      if (on) return this.begin(asked);
      if (this.knows(asked.id)) await this.line.send({ type: 'stop_destination', id: asked.id });
    });
  }

  removeDestination(id: string): Promise<void> {
    return this.line.change(async () => {
      if (this.knows(id)) await this.line.send({ type: 'remove_destination', id });
    });
  }

  turnLocal(on: boolean): Promise<void> {
    return this.line.change(async () => {
      if (on) return this.startLocal();
      if (this.knows(LOCAL_ID)) await this.line.send({ type: 'stop_destination', id: LOCAL_ID });
      await this.closeServer();
    });
  }

  retryDestination(id: string): Promise<void> {
    return this.line.change(() => this.line.send({ type: 'retry_destination', id }));
  }

  choosePrimary(id: string): Promise<void> {
    return this.line.change(async () => {
      if (this.knows(id)) await this.line.send({ type: 'choose_primary', id });
    });
  }

  /** Beside the queue: a test of a server that does not answer must not hold up the stream's end. */
  async testDestination(destination: Destination, codec: Codec): Promise<void> {
    await this.line.ask({ type: 'test_destination', destination, codec });
  }

  endLive(): Promise<void> {
    return this.line.change(async () => {
      await this.line.send({ type: 'stop_publish' });
      const running = Object.entries(this.line.session.destinations).filter(([, each]) => each.running);
      await Promise.all(running.map(([id]) => this.line.send({ type: 'stop_destination', id })));
      await this.closeServer();
      this.line.ended();
    });
  }

  async closeServer(): Promise<void> {
    if (this.line.session.localServer !== undefined) await this.line.send({ type: 'stop_local_server' });
  }

  /** The server listens on the network only while live; the link stays the same for the next time. */
  private async openServer(): Promise<void> {
    const { port, viewToken } = this.line.lastServer ?? { port: 0, viewToken: undefined };
    const refused = await this.line.try({ type: 'start_local_server', reach: 'network', port, viewToken });
    if (refused === undefined) return;
    if (port === 0) throw refused;
    // Someone else took the port meanwhile: a link that changed is better than none.
    await this.line.send({ type: 'start_local_server', reach: 'network', port: 0, viewToken });
  }

  private knows(id: string): boolean {
    return this.line.session.destinations[id] !== undefined;
  }

  private async startLocal(): Promise<void> {
    if (this.line.session.localServer?.reach !== 'network') await this.openServer();
    await this.begin({ id: LOCAL_ID, name: '', destination: { kind: 'local_server' } });
  }

  private async begin(asked: Asked): Promise<void> {
    const { id } = asked;
    await this.line.send({ type: 'add_destination', ...asked });
    await this.line.send({ type: 'start_destination', id });
  }
}
