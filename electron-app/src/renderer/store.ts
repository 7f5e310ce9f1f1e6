/** What the page knows: one value, changed by main's messages and by the page's own small acts. */
import { useEffect, useState } from 'preact/hooks';
import type { Bootstrap, HostStatus, Notice, PublicSettings, StateView } from '../shared/contract';
import type { Encoders, Problem, Sources, Stats } from '../shared/model';
import type { Language } from '../shared/settings';
import type { ReceiverDelays } from './rtc_manager/receiver_delays';

export interface Toast {
  id: number;
  tone: 'info' | 'good' | 'warning' | 'error';
  title: string;
  detail?: string;
  code?: string;
  /** A file that can be shown in the file manager. */
  file?: string;
}

export interface PageState {
  boot: Bootstrap;
  settings: PublicSettings;
  language: Language;
  host: HostStatus;
  state?: StateView;
  stats?: Stats;
  /** What reception adds to the preview's pictures; read while the figures are open. */
  delays?: ReceiverDelays;
  /** The time that the window shows, ms: it moves with the figures. */
  now: number;
  encoders?: Encoders;
  sources?: Sources;
  sourcesProblem?: Problem;
  mirrored: boolean;
  /** The source that the next Start takes. */
  chosen?: string;
  /** A command of the user is under way. */
  busy?: 'start' | 'stop' | 'live' | 'end';
  askQuit: boolean;
  dialog?: 'about' | 'keys' | 'sound' | 'add_source';
  figures: boolean;
  toasts: Toast[];
  /** The preview's peer is connected. */
  previewConnected: boolean;
  stream?: MediaStream;
}

export type Listener = (state: PageState) => void;

export class Store {
  private listeners = new Set<Listener>();
  private nextToast = 1;

  constructor(private current: PageState) {}

  get(): PageState {
    return this.current;
  }

  set(change: Partial<PageState>): void {
    this.current = { ...this.current, ...change };
    for (const listener of this.listeners) listener(this.current);
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** Shows a toast; one that says the same as the last one takes its place. */
  toast(toast: Omit<Toast, 'id'>): void {
    const id = this.nextToast++;
    const others = this.current.toasts.filter((old) => old.title !== toast.title);
    // More than four would cover the picture: the oldest go.
    this.set({ toasts: [...others, { ...toast, id }].slice(-4) });
    // An error stays until it is read; the others leave by themselves.
    if (toast.tone !== 'error') setTimeout(() => this.dismiss(id), toast.tone === 'warning' || toast.file !== undefined ? 12_000 : 6_000);
  }

  dismiss(id: number): void {
    this.set({ toasts: this.current.toasts.filter((toast) => toast.id !== id) });
  }
}

export function useStore(store: Store): PageState {
  const [state, setState] = useState(store.get());
  useEffect(() => {
    setState(store.get());
    return store.subscribe(setState);
  }, [store]);
  return state;
}

export function initialState(boot: Bootstrap): PageState {
  return {
    boot,
    settings: boot.settings,
    language: boot.language,
    host: boot.host,
    state: boot.state,
    stats: boot.stats,
    now: Date.now(),
    encoders: boot.encoders,
    mirrored: boot.mirrored,
    chosen: boot.state?.sourceId,
    askQuit: false,
    figures: false,
    toasts: [],
    previewConnected: false,
  };
}

export type { Notice };
