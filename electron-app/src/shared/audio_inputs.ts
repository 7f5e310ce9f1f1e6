/**
 * The inputs of the mix as the app remembers them: read from a file or a call, and the commands from one list to
 * another. Pure.
 */
import type { AudioInputChange, AudioSource, Command, Effect, Filter } from './model';
import { fields, flag, integer, number, oneOf, Refused, text, optional } from './parse';

export interface InputPreferences {
  id: string;
  /** Absent for `microphone` and `system_sound`, whose device is chosen elsewhere. */
  source?: AudioSource;
  /** As it was listed when it was chosen: for its track in a recording, and while its device is away. */
  name?: string;
  gainDb: number;
  muted: boolean;
  solo: boolean;
  monitored: boolean;
  delayMs: number;
  filters: Filter[];
}

export const EFFECT_KINDS = ['noise_suppression', 'gate', 'compressor', 'limiter', 'equalizer'] as const;
export type EffectKind = (typeof EFFECT_KINDS)[number];

/** What a filter starts with: settings that suit a voice. */
export function defaultEffect(kind: EffectKind): Effect {
  switch (kind) {
    case 'noise_suppression':
      return { kind };
    case 'gate':
      return { kind, thresholdDb: -45, attackMs: 5, holdMs: 150, releaseMs: 150 };
    case 'compressor':
      return { kind, thresholdDb: -20, ratio: 4, attackMs: 6, releaseMs: 120, makeupDb: 4 };
    case 'limiter':
      return { kind, ceilingDb: -3, releaseMs: 100 };
    case 'equalizer':
      return { kind, lowDb: 0, midDb: 0, highDb: 0 };
  }
}

/** The two inputs that are always there keep their volume and mute elsewhere. */
export function isBuiltIn(id: string): boolean {
  return id === 'microphone' || id === 'system_sound';
}

/** The first name that no input has yet. */
export function nextInputId(inputs: readonly InputPreferences[]): string {
  let number = 1;
  while (inputs.some(({ id }) => id === `input-${number}`)) number += 1;
  return `input-${number}`;
}

export function newInput(id: string, source?: AudioSource, name?: string): InputPreferences {
  return { id, source, name, gainDb: 0, muted: false, solo: false, monitored: false, delayMs: 0, filters: [] };
}

function source(value: unknown, path: string): AudioSource {
  const f = fields(value, path);
  const kind = oneOf(f.kind, `${path}.kind`, ['microphone', 'system_sound', 'application'] as const);
  if (kind === 'application') return { kind, program: text(f.program, `${path}.program`, 512) };
  return { kind, device: text(f.device, `${path}.device`, 512) };
}

function effect(value: unknown, path: string): Effect {
  const f = fields(value, path);
  const n = (name: string, least: number, most: number): number => number(f[name], `${path}.${name}`, least, most);
  const kind = oneOf(f.kind, `${path}.kind`, EFFECT_KINDS);
  switch (kind) {
    case 'noise_suppression':
      return { kind };
    case 'gate':
      return {
        kind,
        thresholdDb: n('thresholdDb', -90, 0),
        attackMs: n('attackMs', 0.1, 500),
        holdMs: n('holdMs', 0, 2000),
        releaseMs: n('releaseMs', 1, 2000),
      };
    case 'compressor':
      return {
        kind,
        thresholdDb: n('thresholdDb', -60, 0),
        ratio: n('ratio', 1, 30),
        attackMs: n('attackMs', 0.1, 500),
        releaseMs: n('releaseMs', 1, 2000),
        makeupDb: n('makeupDb', 0, 30),
      };
    case 'limiter':
      return { kind, ceilingDb: n('ceilingDb', -40, 0), releaseMs: n('releaseMs', 10, 2000) };
    case 'equalizer':
      return { kind, lowDb: n('lowDb', -24, 24), midDb: n('midDb', -24, 24), highDb: n('highDb', -24, 24) };
  }
}

function list<T>(value: unknown, path: string, most: number, read: (value: unknown, path: string) => T): T[] {
  if (!Array.isArray(value) || value.length > most) throw new Refused(path, `a list of at most ${most}`);
  const items: unknown[] = value;
  return items.map((item, index) => read(item, `${path}[${index}]`));
}

export function inputPreferences(value: unknown, path: string): InputPreferences[] {
  return list(value, path, 32, (one, at) => {
    const f = fields(one, at);
    const id = text(f.id, `${at}.id`, 64);
    if (!/^[A-Za-z0-9_-]+$/.test(id) || id === 'master') throw new Refused(`${at}.id`, 'a name');
    return {
      id,
      source: optional(f.source, `${at}.source`, source),
      name: optional(f.name, `${at}.name`, (v, p) => text(v, p, 512)),
      gainDb: number(f.gainDb, `${at}.gainDb`, -120, 24),
      muted: flag(f.muted, `${at}.muted`),
      solo: flag(f.solo, `${at}.solo`),
      monitored: flag(f.monitored, `${at}.monitored`),
      delayMs: integer(f.delayMs, `${at}.delayMs`, 0, 2000),
      filters: list(f.filters, `${at}.filters`, 16, (filter, where) => {
        const each = fields(filter, where);
        return { enabled: flag(each.enabled, `${where}.enabled`), effect: effect(each.effect, `${where}.effect`) };
      }),
    };
  });
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The commands that bring the engine from one list to the other. */
export function inputCommands(before: readonly InputPreferences[], after: readonly InputPreferences[]): Command[] {
  const commands: Command[] = [];
  for (const { id } of before) {
    if (!isBuiltIn(id) && !after.some((input) => input.id === id)) commands.push({ type: 'remove_audio_input', id });
  }
  for (const input of after) {
    const old = before.find(({ id }) => id === input.id);
    if (input.source !== undefined && !same(old?.source, input.source)) {
      commands.push({ type: 'add_audio_input', id: input.id, source: input.source });
    }
    const was = old ?? newInput(input.id);
    const change: AudioInputChange = {};
    if (!isBuiltIn(input.id)) {
      if (input.gainDb !== was.gainDb) change.gainDb = input.gainDb;
      if (input.muted !== was.muted) change.muted = input.muted;
    }
    if (input.name !== was.name) change.name = input.name ?? '';
    if (input.solo !== was.solo) change.solo = input.solo;
    if (input.monitored !== was.monitored) change.monitored = input.monitored;
    if (input.delayMs !== was.delayMs) change.delayMs = input.delayMs;
    if (!same(input.filters, was.filters)) change.filters = input.filters;
    if (Object.keys(change).length > 0) commands.push({ type: 'set_audio_input', id: input.id, change });
  }
  return commands;
}
