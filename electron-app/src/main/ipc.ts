/** The only file that touches `ipcMain`: parses, checks the sender, and answers with a value, never a rejection. */
import { ipcMain, type IpcMainInvokeEvent, type WebContents } from 'electron';
import { channelOf, type Answer, type CallName, type Calls, type MessageName, type Messages } from '../shared/contract';
import { parsers } from './ipc_arguments';
import { problemOf } from './problem';
import { isOwnPage } from './origin';

export type Handlers = {
  [Name in CallName]: (...args: Calls[Name]['args']) => Promise<Calls[Name]['result']>;
};

function isTrusted(event: IpcMainInvokeEvent): boolean {
  // `senderFrame` came with Electron 14; before, the preload script ran in the top frame only, which is thus the sender.
  const frame: Electron.WebFrameMain | null | undefined = 'senderFrame' in event ? event.senderFrame : undefined;
  if (frame === null) return false;
  if (frame === undefined) return isOwnPage({ url: event.sender.getURL(), isTopFrame: true });
  return isOwnPage({ url: frame.url, isTopFrame: frame.parent === null });
}

async function answer<Name extends CallName>(
  name: Name,
  handlers: Handlers,
  args: readonly unknown[],
): Promise<Answer<Calls[Name]['result']>> {
  try {
    return { ok: true, value: await handlers[name](...parsers[name](args)) };
  } catch (error) {
    return { ok: false, problem: problemOf(error) };
  }
}

export function serveCalls(handlers: Handlers): void {
  const serve = <Name extends CallName>(name: Name): void => {
    ipcMain.handle(channelOf(name), (event, ...args: unknown[]) => {
      if (!isTrusted(event)) throw new Error('refused: not our page');
      return answer(name, handlers, args);
    });
  };
  for (const name of Object.keys(parsers)) if (isCallName(name)) serve(name);
}

function isCallName(name: string): name is CallName {
  return name in parsers;
}

/** Tells the page something. */
export function tell<Name extends MessageName>(contents: WebContents, name: Name, message: Messages[Name]): void {
  if (!contents.isDestroyed()) contents.send(channelOf(name), message);
}
