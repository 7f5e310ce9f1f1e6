/** The user's scenes while they are arranged: what is selected, undo and redo, and what of it the stream shows. */
import { withActKey, type Act } from '../shared/act_keys';
import { begin, freeName, movedTo, redo, step, undo, type History, type Scene, type Transition } from '../shared/scene';
import { withKey, type SceneKey } from '../shared/scene_keys';
import { isCapturing, type Actions } from './actions';
import type { Store } from './store';

export interface DeskState {
  scenes: readonly Scene[];
  /** The scene being arranged. */
  scene?: string;
  item?: string;
  canUndo: boolean;
  canRedo: boolean;
}

/** A drag sends a scene for each picture at most: the engine draws no more. */
const SAVE_MS = 400;

export class SceneDesk {
  private history: History<readonly Scene[]>;
  private scene: string | undefined;
  private item: string | undefined;
  /** A drag's scenes are one step: its first one is remembered, the others replace it. */
  private dragging: readonly Scene[] | undefined;
  private sending = false;
  private pending: Scene | undefined;
  private saving: ReturnType<typeof setTimeout> | undefined;
  private keys: SceneKey[];
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly store: Store,
    private readonly actions: Actions,
  ) {
    this.history = begin(store.get().settings.scenes ?? []);
    this.scene = store.get().state?.scene ?? this.history.present[0]?.name;
    this.keys = store.get().settings.sceneKeys ?? [];
  }

  get state(): DeskState {
    const { present, past, future } = this.history;
    return { scenes: present, scene: this.scene, item: this.item, canUndo: past.length > 0, canRedo: future.length > 0 };
  }

  get current(): Scene | undefined {
    return this.history.present.find((scene) => scene.name === this.scene);
  }

  /** The scene that the stream shows, where it shows one of these. */
  get live(): string | undefined {
    const { state } = this.store.get();
    return state !== undefined && isCapturing(this.store.get()) ? state.scene : undefined;
  }

  get transition(): Transition {
    return this.store.get().settings.transition ?? { kind: 'fade', ms: 300 };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  select(item: string | undefined): void {
    this.item = item;
    this.told();
  }

  /** Arranges that scene; while a scene is live, the stream goes over to it. */
  switchTo(name: string): void {
    this.scene = name;
    this.item = undefined;
    this.told();
    if (isCapturing(this.store.get()) && this.live !== name) this.show(this.transition);
  }

  /** Arranges that scene; what is live stays. */
  arrange(name: string): void {
    if (this.scene !== name) this.item = undefined;
    this.scene = name;
    this.told();
  }

  /** As its hot key does: a scene that is there is shown, where anything is. */
  jumpTo(name: string): void {
    if (this.history.present.some((scene) => scene.name === name)) this.switchTo(name);
  }

  /** Starts the stream with the present scene, or goes over to it. */
  show(transition: Transition = { kind: 'cut' }): void {
    const scene = this.current;
    if (scene !== undefined) void this.send(scene, transition);
  }

  add(scene: Scene): void {
    const named = { ...scene, name: freeName(scene.name, this.history.present) };
    this.scene = named.name;
    this.item = undefined;
    this.commit([...this.history.present, named]);
  }

  addAll(scenes: readonly Scene[]): void {
    let all = this.history.present;
    for (const scene of scenes) {
      this.scene = freeName(scene.name, all);
      all = [...all, { ...scene, name: this.scene }];
    }
    this.item = undefined;
    this.commit(all);
  }

  duplicate(): void {
    const scene = this.current;
    if (scene !== undefined) this.add(scene);
  }

  rename(name: string): void {
    const scene = this.current;
    const wanted = name.trim();
    if (scene === undefined || wanted === '' || wanted === scene.name) return;
    const others = this.history.present.filter((other) => other !== scene);
    const live = this.live === scene.name;
    const named = { ...scene, name: freeName(wanted, others) };
    this.scene = named.name;
    this.commit(this.history.present.map((other) => (other === scene ? named : other)));
    const keys = this.keyOf(scene.name);
    if (keys !== undefined) {
      this.setKey(scene.name, undefined);
      this.setKey(named.name, keys);
    }
    if (live) this.show();
  }

  remove(): void {
    const index = this.history.present.findIndex((scene) => scene.name === this.scene);
    if (index < 0) return;
    const rest = this.history.present.filter((_, at) => at !== index);
    const gone = this.scene;
    this.scene = rest[Math.min(index, rest.length - 1)]?.name;
    this.item = undefined;
    this.commit(rest);
    if (gone !== undefined && this.keyOf(gone) !== undefined) this.setKey(gone, undefined);
  }

  /** Puts a scene at another place of the list. */
  reorder(name: string, to: number): void {
    const scenes = [...this.history.present];
    const moved = movedTo(scenes, (scene) => scene.name === name, to);
    if (moved !== scenes) this.commit(moved);
  }

  /** The hot key that shows a scene from anywhere. */
  keyOf(name: string): string | undefined {
    return this.keys.find(({ scene }) => scene === name)?.keys;
  }

  /** A key does one thing: it is taken from what had it. */
  setKey(name: string, keys: string | undefined): void {
    this.keys = withKey(this.keys, name, keys);
    const actKeys = (this.store.get().settings.actKeys ?? []).filter((key) => key.keys !== keys);
    void this.actions.changeSettings({ sceneKeys: this.keys, actKeys });
    this.told();
  }

  /** The same for an act's key. */
  setActKey(act: Act, keys: string | undefined): void {
    this.keys = this.keys.filter((key) => key.keys !== keys);
    const actKeys = withActKey(this.store.get().settings.actKeys ?? [], act, keys);
    void this.actions.changeSettings({ sceneKeys: this.keys, actKeys });
    this.told();
  }

  /** Changes the present scene; while it is live, the stream shows the change at once. */
  edit(change: (scene: Scene) => Scene): void {
    const scene = this.current;
    if (scene === undefined) return;
    const next = change(scene);
    if (next === scene) return;
    const scenes = this.history.present.map((other) => (other === scene ? next : other));
    if (this.dragging === undefined) this.commit(scenes);
    else {
      this.history = { ...this.history, present: scenes };
      this.told();
    }
    this.follow();
  }

  beginDrag(): void {
    this.dragging = this.history.present;
  }

  endDrag(): void {
    const before = this.dragging;
    this.dragging = undefined;
    const after = this.history.present;
    if (before === undefined || before === after) return;
    this.history = step({ ...this.history, present: before }, after);
    this.save();
    this.told();
  }

  undo(): void {
    this.travel(undo(this.history));
  }

  redo(): void {
    this.travel(redo(this.history));
  }

  private travel(history: History<readonly Scene[]>): void {
    if (history === this.history) return;
    this.history = history;
    if (this.current === undefined) this.scene = history.present[0]?.name;
    if (this.current?.items.every((item) => item.id !== this.item) === true) this.item = undefined;
    this.save();
    this.told();
    this.follow();
  }

  private commit(scenes: readonly Scene[]): void {
    this.history = step(this.history, scenes);
    this.save();
    this.told();
  }

  /** The live scene is the present one: shows what became of it. */
  private follow(): void {
    const scene = this.current;
    if (scene !== undefined && this.live === scene.name) void this.send(scene, { kind: 'cut' });
  }

  /** One at a time: of what comes meanwhile only the newest is sent. */
  private async send(scene: Scene, transition: Transition): Promise<void> {
    if (this.sending) {
      this.pending = scene;
      return;
    }
    this.sending = true;
    try {
      await this.actions.showScene(scene, transition);
    } finally {
      this.sending = false;
    }
    const next = this.pending;
    this.pending = undefined;
    if (next !== undefined) await this.send(next, { kind: 'cut' });
  }

  private save(): void {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => void this.actions.changeSettings({ scenes: [...this.history.present] }), SAVE_MS);
  }

  private told(): void {
    for (const listener of this.listeners) listener();
  }
}
