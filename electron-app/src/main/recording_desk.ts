/** What the user does with recordings: the folder, the file manager, and what is remembered; the studio carries it out. */
import { app, dialog, shell, type BrowserWindow, type OpenDialogOptions } from 'electron';
import * as fs from 'fs';
import * as path from 'path';
import { startRecording, type RecordingChange } from '../shared/recording';
import { ProblemError } from './problem';
import type { SettingsStore } from './settings_store';
import type { Studio } from './studio';

export class RecordingDesk {
  constructor(
    private readonly settings: SettingsStore,
    private readonly studio: Studio,
  ) {}

  /** Where files go: the user's choice, else the system's folder for videos. */
  get folder(): string {
    return this.settings.get().recording.folder ?? videosFolder();
  }

  async start(): Promise<void> {
    await this.studio.record(startRecording(this.settings.get().recording, this.readyFolder()));
  }

  async saveReplay(): Promise<void> {
    await this.studio.record({ type: 'save_replay', folder: this.readyFolder(), format: this.settings.get().recording.format });
  }

  async change(change: RecordingChange): Promise<void> {
    const recording = { ...this.settings.get().recording, ...change };
    if (change.replay !== undefined || change.replaySeconds !== undefined) {
      await this.studio.record(recording.replay ? { type: 'start_replay', seconds: recording.replaySeconds } : { type: 'stop_replay' });
    }
    this.settings.update({ recording });
  }

  async chooseFolder(window: BrowserWindow | undefined): Promise<void> {
    const question: OpenDialogOptions = { defaultPath: this.folder, properties: ['openDirectory', 'createDirectory'] };
    const { filePaths } = await (window === undefined ? dialog.showOpenDialog(question) : dialog.showOpenDialog(window, question));
    const folder = filePaths[0];
    if (folder !== undefined) this.settings.update({ recording: { ...this.settings.get().recording, folder } });
  }

  /** Only what was saved in this run: a page may not point the file manager at anything else. */
  async show(file: string): Promise<void> {
    if (!this.studio.savedFiles.has(file)) {
      throw new ProblemError({ code: 'bad_request', message: 'This file was not saved here.', hint: 'Look into the folder of recordings.' });
    }
    shell.showItemInFolder(file);
  }

  /** The system's folder for videos may not have been made yet; one that the user chose and that is gone is an error. */
  readyFolder(): string {
    if (this.settings.get().recording.folder !== undefined) return this.folder;
    const folder = this.folder;
    try {
      fs.mkdirSync(folder, { recursive: true });
    } catch {
      // The engine says what is wrong with it, by its code.
    }
    return folder;
  }
}

function videosFolder(): string {
  try {
    return app.getPath('videos');
  } catch {
    // A system that knows no such folder.
    return path.join(app.getPath('home'), 'Videos');
  }
}
