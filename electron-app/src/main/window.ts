/** The one window: how it looks to the system, where it lies, and what happens when its page dies. */
import { BrowserWindow, nativeTheme, screen, type WebPreferences } from 'electron';
import { release } from 'os';
import * as path from 'path';
import type { Area } from '../shared/model';
import { toPixels } from '../shared/geometry';
import { PAGE_URL } from './origin';
import { isKeptOut } from './own_window';

const DEFAULT_SIZE = { width: 1280, height: 800 };
/** Below this the controls would cover each other; the layout is made for 1024×640 and up. */
const MINIMUM_SIZE = { width: 880, height: 560 };
/** A page that dies this often within a minute will not get better by loading it again. */
const MAX_RELOADS = 3;

/** Electron before 20 is too old for daily use: no security updates for years. */
export const OLDEST_SUPPORTED = 20;

export function electronMajor(): number {
  return Number.parseInt(process.versions.electron ?? '0', 10);
}

export function windowTitle(live: boolean): string {
  const name = live ? 'Tidecast · LIVE' : 'Tidecast';
  return electronMajor() < OLDEST_SUPPORTED ? `${name} (old Electron: for trying and testing only)` : name;
}

export interface WindowListeners {
  /** Moved, resized, hidden or shown. */
  placed(): void;
  /** May the window close now? */
  mayClose(): boolean;
  log(line: string): void;
}

export function openWindow(size: { width: number; height: number } | undefined, on: WindowListeners): BrowserWindow {
  // `enableRemoteModule` is gone from today's Electron, and on by default in the oldest that is supported here.
  const webPreferences: WebPreferences & { enableRemoteModule: boolean } = {
    preload: path.join(__dirname, '..', 'preload', 'preload.js'),
    contextIsolation: true,
    sandbox: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webSecurity: true,
    webviewTag: false,
    enableRemoteModule: false,
    spellcheck: false,
  };
  const area = screen.getPrimaryDisplay().workAreaSize;
  const wanted = size ?? DEFAULT_SIZE;
  const window = new BrowserWindow({
    width: Math.min(wanted.width, area.width),
    height: Math.min(wanted.height, area.height),
    minWidth: Math.min(MINIMUM_SIZE.width, area.width),
    minHeight: Math.min(MINIMUM_SIZE.height, area.height),
    title: windowTitle(false),
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#0b1116' : '#eef2f4',
    icon: path.join(__dirname, '..', 'renderer', 'icon.png'),
    show: false,
    webPreferences,
  });
  if (keptOutOfCaptures()) window.setContentProtection(true);
  if (process.platform !== 'darwin') window.removeMenu();
  window.once('ready-to-show', () => window.show());
  window.on('page-title-updated', (event) => event.preventDefault());
  window.on('close', (event) => {
    if (!on.mayClose()) event.preventDefault();
  });
  const emitter: NodeJS.EventEmitter = window;
  for (const name of ['move', 'resize', 'minimize', 'restore', 'hide', 'show', 'enter-full-screen', 'leave-full-screen']) {
    emitter.on(name, on.placed);
  }
  reloadWhenPageDies(window, on.log);
  void window.loadURL(PAGE_URL);
  return window;
}

function reloadWhenPageDies(window: BrowserWindow, log: (line: string) => void): void {
  let deaths: number[] = [];
  let scheduled = false;
  const died = (how: string): void => {
    if (scheduled || window.isDestroyed()) return;
    scheduled = true;
    deaths = [...deaths, Date.now()].filter((at) => Date.now() - at < 60_000);
    log(`the page died: ${how}`);
    if (deaths.length > MAX_RELOADS) return;
    // Not from inside the event: the dead process is still being taken apart there.
    setTimeout(() => {
      scheduled = false;
      if (!window.isDestroyed()) void window.loadURL(PAGE_URL);
    }, 200);
  };
  // `crashed` on old Electron, `render-process-gone` on today's; some versions in between send both.
  const emitter: NodeJS.EventEmitter = window.webContents;
  emitter.on('crashed', () => died('crashed'));
  window.webContents.on('render-process-gone', (_event, details) => {
    if (details.reason !== 'clean-exit') died(details.reason);
  });
}

/** Whether the system leaves our window out of every capture. */
export function keptOutOfCaptures(): boolean {
  return isKeptOut(process.platform, release());
}

/** Where the window lies on the desktop, pixels; `undefined` while it can't be seen. */
export function windowArea(window: BrowserWindow): Area | undefined {
  if (window.isDestroyed() || !window.isVisible() || window.isMinimized()) return undefined;
  const bounds = window.getBounds();
  if (process.platform === 'win32') return screen.dipToScreenRect(window, bounds);
  // macOS captures in the units that it places windows in; X11 has pixels and one scale.
  const scale = process.platform === 'darwin' ? 1 : screen.getDisplayMatching(bounds).scaleFactor;
  return toPixels(bounds, scale);
}

/** The window's XID, where the window system is X11. */
export function nativeWindowId(window: BrowserWindow): number | undefined {
  if (process.platform !== 'linux') return undefined;
  // Electron 38 and up follow the session to Wayland, where the handle is no XID; older ones always use X11.
  const wayland = electronMajor() >= 38 && process.env.XDG_SESSION_TYPE === 'wayland';
  const handle = window.getNativeWindowHandle();
  return wayland || handle.length < 4 ? undefined : handle.readUInt32LE(0);
}
