/** The sources that can be chosen: what the engine lists, what the user made, and what the desktop granted. */
import type { NamedSource } from '../shared/source_names';
import { isShared } from '../shared/source_ids';
import type { Area, Described, Sources, VideoSource } from '../shared/model';
import { unexpected, type EngineLine } from './engine_line';
import type { Grants } from './grants';
import { KnownSources } from './known_sources';
import { ProblemError } from './problem';
import type { SettingsStore } from './settings_store';

export class SourceDesk {
  private readonly known = new KnownSources();

  constructor(
    private readonly line: EngineLine,
    private readonly settings: SettingsStore,
    private readonly grants: Pick<Grants, 'keep' | 'forget'>,
  ) {}

  /**
   * The part of the desktop that is in the main picture with all that lies on it, pixels; none where nothing is captured,
   * or a window by itself (what covers a captured window is not in its picture).
   */
  get capturedDesktop(): Area | undefined {
    const { state } = this.line;
    if (state === undefined || state.capture.kind === 'idle') return undefined;
    return state.sources.some(({ id, onMain }) => onMain && this.known.showsDesktop(id)) ? (state.area ?? undefined) : undefined;
  }

  /** What names it after a restart. */
  lastingOf(id: string): string {
    return this.known.lastingOf(id);
  }

  /** What the user calls it. */
  named(id: string): NamedSource {
    return this.known.named(id, this.line.session.scene?.scene);
  }

  async list(): Promise<Sources> {
    const reply = await this.line.ask({ type: 'list_sources' });
    if (reply.type !== 'sources') throw unexpected(reply);
    const own = await this.describe(this.settings.get().ownSources);
    const video = [...reply.sources.video, ...own.sources];
    // One that can't be shown has its problem in place of a title.
    this.known.learn(video.filter(({ id }) => own.problems.every((each) => each.id !== id)));
    return { ...reply.sources, video };
  }

  async add(id: string): Promise<VideoSource> {
    const described = await this.describe([id]);
    const problem = described.problems[0]?.problem;
    if (problem !== undefined) throw new ProblemError(problem);
    const source = described.sources[0];
    if (source === undefined) throw unexpected({ type: 'described', described });
    const { ownSources } = this.settings.get();
    if (!ownSources.includes(id)) this.settings.update({ ownSources: [...ownSources, id] });
    this.known.learn([source]);
    return source;
  }

  /** Takes a source of the user's own out of the list; of one that the desktop shares, forgets what it showed. */
  remove(id: string): Promise<void> {
    if (isShared(id)) {
      this.grants.forget(id);
      return this.line.change(() => this.line.send({ type: 'remember_source', sourceId: id }));
    }
    this.settings.update({ ownSources: this.settings.get().ownSources.filter((own) => own !== id) });
    return Promise.resolve();
  }

  /** The user let the desktop share it. */
  granted(id: string, token: string): void {
    this.grants.keep(id, token);
  }

  /** What the engine makes of ids; one that can't be shown now stays in the list, so that it can be taken out of it. */
  private async describe(ids: string[]): Promise<Described> {
    if (ids.length === 0) return { sources: [], problems: [] };
    const reply = await this.line.ask({ type: 'describe_sources', ids });
    if (reply.type !== 'described') throw unexpected(reply);
    const { sources, problems } = reply.described;
    const broken = problems.map(({ id, problem }) => brokenSource(id, problem.message));
    const all = [...sources, ...broken];
    return { sources: ids.flatMap((id) => all.filter((source) => source.id === id)), problems };
  }
}

function brokenSource(id: string, message: string): VideoSource {
  const kind = id.slice(0, Math.max(0, id.indexOf(':')));
  return { id, lastingId: id, kind, title: message, program: '', x: 0, y: 0, width: 0, height: 0, thumbnailUrl: '' };
}
