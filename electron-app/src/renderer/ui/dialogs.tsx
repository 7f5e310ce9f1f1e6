/** What asks for the whole attention: quitting while live, and the about box. */
import { isPublishing, isRecording } from '../actions';
import { AddSourceDialog } from './add_source';
import { useUi } from './context';
import { IconButton } from './controls';
import { Dialog } from './dialog';
import { KeysDialog } from './keys_dialog';
import { SoundDesk } from './sound_desk';

function QuitDialog() {
  const { state, actions, words } = useUi();
  const live = isPublishing(state);
  const title = live ? words.quitTitle : words.quitRecordingTitle;
  return (
    <Dialog title={title} testid="quit-dialog" onClose={() => void actions.answerQuit(false)}>
      <h2>{title}</h2>
      {live && <p>{words.quitText}</p>}
      {isRecording(state) && <p>{words.quitRecordingText}</p>}
      <div class="dialog-actions">
        <button type="button" class="button danger-outline" data-testid="quit-confirm" onClick={() => void actions.answerQuit(true)}>
          {live ? words.quitYes : words.quitRecordingYes}
        </button>
        <button type="button" class="button primary" data-autofocus data-testid="quit-cancel" onClick={() => void actions.answerQuit(false)}>
          {live ? words.quitNo : words.quitRecordingNo}
        </button>
      </div>
    </Dialog>
  );
}

function AboutDialog() {
  const { state, store, words } = useUi();
  const { versions } = state.boot;
  const close = (): void => store.set({ dialog: undefined });
  return (
    <Dialog title={words.about} testid="about-dialog" onClose={close}>
      <header class="about-head">
        <img src="icon.svg" alt="" width={44} height={44} />
        <div>
          <h2>Tidecast {versions.app}</h2>
          <p class="quiet">
            Electron {versions.electron} · Chromium {versions.chromium} · {versions.platform}
          </p>
        </div>
        <IconButton icon="close" label={words.close} onClick={close} />
      </header>
      <p>{words.aboutText}</p>
      {state.boot.oldRuntime && <p class="notice">{words.oldRuntime}</p>}
      <h3>{words.aboutLicences}</h3>
      <p>{words.aboutMit}</p>
      <p>{words.aboutGpl}</p>
      <p class="quiet">{words.aboutThird}</p>
    </Dialog>
  );
}

export function Dialogs() {
  const { state } = useUi();
  if (state.askQuit) return <QuitDialog />;
  if (state.dialog === 'about') return <AboutDialog />;
  if (state.dialog === 'keys') return <KeysDialog />;
  if (state.dialog === 'sound') return <SoundDesk />;
  if (state.dialog === 'add_source') return <AddSourceDialog />;
  return null;
}
