/** The keys: those that act in any program, which the user chooses, and those of the window. */
import { ACTS } from '../../shared/act_keys';
import { useUi } from './context';
import { IconButton } from './controls';
import { Dialog } from './dialog';
import { HotKeyField } from './hot_key_field';
import { useDesk } from './scene_context';

const SHORTCUTS = [
  ['Ctrl+Enter', 'shortcutStart'],
  ['Ctrl+L', 'shortcutLive'],
  ['Ctrl+Shift+R', 'shortcutRecord'],
  ['Ctrl+Shift+S', 'shortcutReplay'],
  ['M', 'shortcutMicrophone'],
  ['Shift+M', 'shortcutSystem'],
  ['I', 'shortcutFigures'],
] as const;

export function KeysDialog() {
  const { state, store, words } = useUi();
  const desk = useDesk();
  const close = (): void => store.set({ dialog: undefined });
  const { actKeys = [] } = state.settings;
  return (
    <Dialog title={words.keys} testid="keys-dialog" onClose={close}>
      <header class="desk-head">
        <h2>{words.keys}</h2>
        <IconButton icon="close" label={words.close} onClick={close} />
      </header>
      <h3>{words.keysAnywhere}</h3>
      <div class="fields">
        {ACTS.map((act) => (
          <HotKeyField
            key={act}
            label={words[`act_${act}`]}
            hint={words.actKeyHint}
            keys={actKeys.find((key) => key.act === act)?.keys}
            testid={`act-key-${act}`}
            problemId={`act-key-problem-${act}`}
            onChoose={(keys) => desk.setActKey(act, keys)}
          />
        ))}
      </div>
      <p class="quiet">{words.keysElsewhere}</p>
      <h3>{words.shortcuts}</h3>
      <dl class="shortcuts">
        {SHORTCUTS.map(([keys, label]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{words[label]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
