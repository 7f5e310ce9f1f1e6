/**
 * What the page may not do: leave its origin, open windows, ask for permissions, load anything from elsewhere.
 *
 * Nothing here is particular to what the app does; every WebContents that is ever created passes through it.
 */
import { app, session as sessions, type WebContents } from 'electron';
import { isOwnPage } from './origin';

function confine(contents: WebContents): void {
  contents.on('will-navigate', (event, url) => {
    if (!isOwnPage({ url, isTopFrame: true })) event.preventDefault();
  });
  contents.on('will-attach-webview', (event) => event.preventDefault());
  // Electron 12 and up has the handler, those before only the event (which the present types no longer know).
  if ('setWindowOpenHandler' in contents) contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  const emitter: NodeJS.EventEmitter = contents;
  emitter.on('new-window', (event: Electron.Event) => event.preventDefault());
}

/** Before the first window. */
export function lockDown(): void {
  app.on('web-contents-created', (_event, contents) => confine(contents));
  const session = sessions.defaultSession;
  session.setPermissionRequestHandler((_contents, _permission, callback) => callback(false));
  session.setPermissionCheckHandler(() => false);
}
