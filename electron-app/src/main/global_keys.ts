/** Hot keys at the system: which are taken, which it refuses, and whom it tells. No window, no Electron. */

/** What a key is for, and the key as Electron's accelerators are written. */
export interface GlobalKey {
  id: string;
  keys: string;
}

/** Whether the user's session is a Wayland one: no program can take keys from others there by itself. */
export function isWayland(platform: string, env: { readonly [name: string]: string | undefined }): boolean {
  const has = (name: string): boolean => (env[name] ?? '') !== '';
  return platform === 'linux' && (has('WAYLAND_DISPLAY') || has('WAYLAND_SOCKET') || env.XDG_SESSION_TYPE === 'wayland');
}

/** The part of Electron's `globalShortcut` that is needed. */
export interface Shortcuts {
  register(keys: string, pressed: () => void): boolean;
  unregister(keys: string): void;
}

export class GlobalKeys {
  private held: GlobalKey[] = [];
  private taken: GlobalKey[] = [];

  constructor(
    private readonly shortcuts: Shortcuts,
    private readonly pressed: (id: string) => void,
  ) {}

  /** Those of the wanted ones that belong to another program, as of the last try. */
  get refused(): readonly GlobalKey[] {
    return this.taken;
  }

  /** Holds those keys and no others; gives back the ones that belong to another program, each tried anew. */
  hold(wanted: readonly GlobalKey[]): GlobalKey[] {
    const same = (one: GlobalKey) => (other: GlobalKey): boolean => one.id === other.id && one.keys === other.keys;
    for (const held of this.held) if (!wanted.some(same(held))) this.shortcuts.unregister(held.keys);
    const kept = this.held.filter((held) => wanted.some(same(held)));
    const refused: GlobalKey[] = [];
    for (const key of wanted) {
      if (kept.some(same(key))) continue;
      if (this.shortcuts.register(key.keys, () => this.pressed(key.id))) kept.push(key);
      else refused.push(key);
    }
    this.held = kept;
    this.taken = refused;
    return refused;
  }
}
