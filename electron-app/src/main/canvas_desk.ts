/** What the user does with canvases beside the main one: carried out by the engine, and remembered. */
import { randomBytes } from 'crypto';
import { MOST_CANVASES, toEngine, type CanvasDraft, type CapturedSource, type SavedCanvas } from '../shared/canvases';
import type { CanvasCost, CanvasSettings } from '../shared/model';
import type { Settings } from '../shared/settings';
import { DEFAULT_VIDEO } from '../shared/video_settings';
import { unexpected, type EngineLine } from './engine_line';
import { ProblemError } from './problem';
import type { SettingsStore } from './settings_store';

export class CanvasDesk {
  constructor(
    private readonly line: EngineLine,
    private readonly settings: SettingsStore,
    private readonly lastingOf: (id: string) => string,
  ) {}

  /** Acts at once, and is remembered. Without `force` the engine refuses what the machine has no room for. */
  save(draft: CanvasDraft, force: boolean): Promise<void> {
    return this.line.change(async () => {
      const all = this.settings.get().canvases ?? [];
      const known = all.some((each) => each.id === draft.id);
      if (!known && all.length >= MOST_CANVASES) {
        throw new ProblemError({ code: 'too_many_canvases', message: `There are ${MOST_CANVASES} further canvases already.`, hint: 'Remove one of them first.' });
      }
      const next: SavedCanvas = { ...draft, id: known && draft.id !== undefined ? draft.id : randomBytes(8).toString('hex') };
      await this.line.send({ type: 'set_canvas', canvas: this.wanted(next), force });
      this.settings.update({ canvases: known ? all.map((each) => (each.id === next.id ? next : each)) : [...all, next] });
    });
  }

  /** What it sent rests; its destinations and the recording take the main canvas from then on. */
  remove(id: string): Promise<void> {
    return this.line.change(async () => {
      if (this.line.session.canvases?.[id] !== undefined) await this.line.send({ type: 'remove_canvas', id });
      const { canvases = [], destinations, recording, canvasPrimaries = [] } = this.settings.get();
      const its = destinations.filter((each) => each.canvas === id).map((each) => each.id);
      this.settings.update({
        canvases: canvases.filter((each) => each.id !== id),
        canvasPrimaries: canvasPrimaries.filter((each) => !its.includes(each)),
        destinations: destinations.map((each) => (each.canvas === id ? { ...each, canvas: undefined } : each)),
        recording: recording.canvas === id ? { ...recording, canvas: undefined } : recording,
      });
    });
  }

  /** What it would cost on this machine. */
  async cost(draft: CanvasDraft): Promise<CanvasCost> {
    const reply = await this.line.ask({ type: 'estimate_canvas', canvas: this.wanted(draft) });
    if (reply.type !== 'canvas_cost') throw unexpected(reply);
    return reply.cost;
  }

  /** What its smaller sizes would cost beside it; an absent name is the main one. */
  async simulcastCost(canvas: string | undefined): Promise<CanvasCost> {
    const reply = await this.line.ask(canvas === undefined ? { type: 'estimate_simulcast' } : { type: 'estimate_simulcast', canvas });
    if (reply.type !== 'canvas_cost') throw unexpected(reply);
    return reply.cost;
  }

  /** The user's scenes, or what is captured, have changed: canvases follow. */
  follow(): Promise<void> {
    return this.line.change(async () => {
      for (const canvas of canvasesOf(this.settings.get(), this.captured)) {
        if (JSON.stringify(canvas) === JSON.stringify(this.line.session.canvases?.[canvas.id])) continue;
        await this.line.send({ type: 'set_canvas', canvas, force: true });
      }
    });
  }

  private get captured(): CapturedSource | undefined {
    const id = this.line.session.capture?.sourceId;
    return id === undefined ? undefined : { id, lastingId: this.lastingOf(id) };
  }

  private wanted(draft: CanvasDraft): CanvasSettings {
    const { scenes = [], video = DEFAULT_VIDEO } = this.settings.get();
    const wanted = toEngine(draft, scenes, video.gopSeconds, this.captured);
    if (wanted !== undefined) return wanted;
    throw new ProblemError({ code: 'canvas_shows_nothing', message: 'Nothing is chosen for the canvas to show.', hint: 'Choose a scene or a source for it.' });
  }
}

/** Those that the engine is to have; one whose scene is gone waits until it is changed. */
export function canvasesOf({ canvases = [], scenes = [], video = DEFAULT_VIDEO }: Settings, captured?: CapturedSource): CanvasSettings[] {
  return canvases.flatMap((canvas) => toEngine(canvas, scenes, video.gopSeconds, captured) ?? []);
}
