/** The sound that is sent: which inputs, how loud, and the keys that silence them. */
import { inputCommands } from '../shared/audio_inputs';
import type { Notice } from '../shared/contract';
import { hotKeyCommand, mutedBy } from '../shared/hot_keys';
import type { HotKey } from '../shared/model';
import type { AudioPreferences } from '../shared/settings';
import type { EngineLine } from './engine_line';
import { problemOf } from './problem';
import type { SettingsStore } from './settings_store';

export interface AudioListeners {
  notice(notice: Notice): void;
  settings(): void;
}

export class AudioDesk {
  private more: readonly HotKey[] = [];

  constructor(
    private readonly line: EngineLine,
    private readonly settings: SettingsStore,
    private readonly listeners: AudioListeners,
  ) {}

  /** Has the engine watch these keys beside those of the sound. */
  watchKeys(more: readonly HotKey[]): Promise<void> {
    return this.line.change(async () => {
      const before = JSON.stringify(this.more);
      this.more = more;
      if (JSON.stringify(more) !== before) await this.line.send(hotKeyCommand(this.settings.get().audio.hotKeys ?? [], more));
    });
  }

  change(change: Partial<AudioPreferences>): Promise<void> {
    return this.line.change(() => this.apply(change));
  }

  /** Beside the queue: who lets go of the key to talk must not wait for what else is under way. */
  async pressKey(code: string, down: boolean): Promise<void> {
    await this.line.ask({ type: 'press_key', code, down });
  }

  /** A key that mutes was pressed, wherever the user is. */
  hotKey(id: string): void {
    const input = mutedBy(id);
    if (input === undefined) return;
    const done = this.line.change(async () => {
      const { audio } = this.settings.get();
      const inputs = audio.inputs ?? [];
      const change: Partial<AudioPreferences> =
        input === 'microphone'
          ? { microphoneMuted: !audio.microphoneMuted }
          : input === 'system_sound'
            ? { systemMuted: !audio.systemMuted }
            : { inputs: inputs.map((each) => (each.id === input ? { ...each, muted: !each.muted } : each)) };
      await this.apply(change);
    });
    done.catch((error: unknown) => this.listeners.notice({ kind: 'warning', problem: problemOf(error) }));
  }
  private async apply(change: Partial<AudioPreferences>): Promise<void> {
    const current = this.settings.get().audio;
    const next: AudioPreferences = { ...current, ...change };
    if (next.microphone === '') next.microphone = undefined;
    if (next.microphone !== current.microphone || next.systemSound !== current.systemSound) {
      await this.line.send({ type: 'select_audio', microphone: next.microphone, systemSound: next.systemSound });
    }
    if (next.microphoneMuted !== current.microphoneMuted) {
      await this.line.send({ type: 'mute_audio', input: 'microphone', muted: next.microphoneMuted });
    }
    if (next.systemMuted !== current.systemMuted) {
      await this.line.send({ type: 'mute_audio', input: 'system_sound', muted: next.systemMuted });
    }
    if (next.microphoneVolume !== current.microphoneVolume) {
      await this.line.send({ type: 'set_volume', input: 'microphone', volume: next.microphoneVolume });
    }
    if (next.systemVolume !== current.systemVolume) {
      await this.line.send({ type: 'set_volume', input: 'system_sound', volume: next.systemVolume });
    }
    for (const command of inputCommands(current.inputs ?? [], next.inputs ?? [])) await this.line.send(command);
    const keys = hotKeyCommand(next.hotKeys ?? [], this.more);
    if (JSON.stringify(keys) !== JSON.stringify(hotKeyCommand(current.hotKeys ?? [], this.more))) await this.line.send(keys);
    if (next.headphones === '') next.headphones = undefined;
    if (next.headphones !== current.headphones) await this.line.send({ type: 'listen_audio', device: next.headphones });
    this.settings.update({ audio: next });
    this.listeners.settings();
  }
}
