/** A field that shows a hot key of the system and takes another one from the keyboard. */
import { useState } from 'preact/hooks';
import type { Problem } from '../../shared/model';
import { hotKeyText, pressedHotKey } from '../../shared/scene_keys';
import { useUi } from './context';
import { Field } from './controls';
import { KeysProblem } from './key_chooser';

/** Why a key that is set does not act from everywhere, where it does not. */
function useKeyProblem(keys: string | undefined): Pick<Problem, 'code' | 'message'> | undefined {
  const { state, words } = useUi();
  if (keys === undefined) return undefined;
  if (state.boot.desktopKeys) return state.state?.hotKeysProblem;
  return state.settings.takenKeys.includes(keys) ? { code: 'hot_key_taken', message: words.problem_hot_key_taken } : undefined;
}

interface HotKeyFieldProps {
  label: string;
  hint: string;
  keys: string | undefined;
  testid: string;
  problemId: string;
  onChoose(keys: string | undefined): void;
}

export function HotKeyField({ label, hint, keys, testid, problemId, onChoose }: HotKeyFieldProps) {
  const { state, words } = useUi();
  const [listening, setListening] = useState(false);
  const mac = state.boot.versions.platform.startsWith('darwin');
  const problem = useKeyProblem(keys);

  function choose(chosen: string | undefined): void {
    onChoose(chosen);
    setListening(false);
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (!listening || event.key === 'Tab') return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape') setListening(false);
    else if (event.key === 'Delete' || event.key === 'Backspace') choose(undefined);
    else {
      const pressed = pressedHotKey(event, mac);
      if (pressed !== undefined) choose(pressed);
    }
  }

  return (
    <Field label={label}>
      <button
        type="button"
        class={`hot-key${listening ? ' listening' : ''}`}
        title={hint}
        data-testid={testid}
        onClick={() => setListening(true)}
        onBlur={() => setListening(false)}
        onKeyDown={onKeyDown}
      >
        {listening ? words.hotKeyPress : keys === undefined ? words.hotKeyNone : hotKeyText(keys, mac)}
      </button>
      {problem !== undefined && <KeysProblem problem={problem} testid={problemId} />}
    </Field>
  );
}
