/** A button that shows a hot key and takes another one from the keyboard or the mouse. */
import { useLayoutEffect, useState } from 'preact/hooks';
import { chordOf, chordText, isModifier, MOUSE_CODES, withKey, type HotKeyAction, type KeyChord, type KeyWords } from '../../shared/hot_keys';
import { sayCode, type Dictionary } from '../../shared/i18n/index';
import type { Problem } from '../../shared/model';
import { useUi } from './context';
import { IconButton } from './controls';

export function keyWords(words: Dictionary): KeyWords {
  return {
    space: words.keySpace,
    numpad: words.keyNumpad,
    left: words.keyLeft,
    right: words.keyRight,
    mouseMiddle: words.keyMouseMiddle,
    mouseBack: words.keyMouseBack,
    mouseForward: words.keyMouseForward,
  };
}

function KeyChooser(props: { label: string; hint: string; chord: KeyChord | undefined; testid: string; onChoose(chord: KeyChord | undefined): void }) {
  const { words } = useUi();
  const { label, hint, chord, testid, onChoose } = props;
  const [listening, setListening] = useState(false);

  // With the button's new text, not after it: the first key must not be missed.
  useLayoutEffect(() => {
    if (!listening) return;
    const end = (chosen?: KeyChord): void => {
      setListening(false);
      if (chosen !== undefined) onChoose(chosen);
    };
    const keep = (event: Event): void => {
      event.preventDefault();
      event.stopPropagation();
    };
    const onDown = (event: KeyboardEvent): void => {
      keep(event);
      // The key that pressed this button may still be down.
      if (event.repeat) return;
      if (event.code === 'Escape') end();
      // A modifier waits: it may be the first half of a chord.
      else if (event.code !== '' && !isModifier(event.code)) end(chordOf(event.code, event));
    };
    const onUp = (event: KeyboardEvent): void => {
      keep(event);
      if (isModifier(event.code)) end(chordOf(event.code, event));
    };
    const onMouse = (event: MouseEvent): void => {
      const code = MOUSE_CODES[event.button];
      if (code === undefined) return end();
      keep(event);
      end(chordOf(code, event));
    };
    const leave = (): void => end();
    document.addEventListener('keydown', onDown, true);
    document.addEventListener('keyup', onUp, true);
    document.addEventListener('mousedown', onMouse, true);
    window.addEventListener('blur', leave);
    return () => {
      document.removeEventListener('keydown', onDown, true);
      document.removeEventListener('keyup', onUp, true);
      document.removeEventListener('mousedown', onMouse, true);
      window.removeEventListener('blur', leave);
    };
  }, [listening, onChoose]);

  const shown = listening ? words.keyPress : chord === undefined ? words.keySet : chordText(chord, keyWords(words));
  return (
    <div class={`key-chooser${listening ? ' listening' : ''}`}>
      <span class="key-label" title={hint}>
        {label}
      </span>
      <button
        type="button"
        class={`button small key${chord === undefined ? ' quiet-button' : ''}`}
        title={listening ? words.keyPressHint : hint}
        aria-label={`${label}: ${shown}`}
        data-testid={testid}
        onClick={() => setListening(true)}
      >
        {shown}
      </button>
      {chord !== undefined && !listening && (
        <IconButton icon="close" label={`${words.keyClear}: ${label}`} testid={`${testid}-clear`} onClick={() => onChoose(undefined)} />
      )}
    </div>
  );
}

/** The three keys of one input, which is called `title`. */
export function InputKeys({ input, title }: { input: string; title: string }) {
  const { state, actions, words } = useUi();
  const keys = state.settings.audio.hotKeys ?? [];
  const labels: { readonly [action in HotKeyAction]: readonly [string, string] } = {
    push_to_talk: [words.keyTalk, words.keyTalkHint],
    push_to_mute: [words.keyQuiet, words.keyQuietHint],
    mute: [words.keyMute, words.keyMuteHint],
  };
  const chooser = (action: HotKeyAction) => {
    const [label, hint] = labels[action];
    return (
      <KeyChooser
        label={label}
        hint={hint}
        chord={keys.find((key) => key.action === action && key.input === input)?.chord}
        testid={`key-${action}-${input}`}
        onChoose={(chord) => void actions.changeAudio({ hotKeys: withKey(keys, action, input, chord, `${title} – ${label}`) })}
      />
    );
  };
  const problem = state.state?.hotKeysProblem;
  return (
    <div class="desk-keys">
      {chooser('push_to_talk')}
      {chooser('push_to_mute')}
      {chooser('mute')}
      {problem !== undefined && keys.length > 0 && <KeysProblem problem={problem} testid="keys-only-here" />}
    </div>
  );
}

/** Why keys act in this window only, or not at all, and what to do about it. */
export function KeysProblem({ problem, testid }: { problem: Pick<Problem, 'code' | 'message'>; testid: string }) {
  const { words } = useUi();
  const { message, hint } = sayCode(words, problem.code);
  return (
    <p class="quiet" title={problem.message} data-testid={testid} data-code={problem.code}>
      {problem.code === 'hot_keys_not_here' ? words.keysOnlyHere : `${message}. ${hint}`}
    </p>
  );
}

/** Whether an input is silent by its key now, and what to hold; nothing where it has no key to talk and is not silent. */
export function KeyState({ input }: { input: string }) {
  const { state, words, say } = useUi();
  const talk = (state.settings.audio.hotKeys ?? []).find((key) => key.action === 'push_to_talk' && key.input === input);
  const hushed = state.state?.audio.find((each) => each.input === input)?.hushed ?? false;
  if (talk === undefined && !hushed) return null;
  const text = !hushed ? words.keyOnAir : talk === undefined ? words.keyHushed : say('keyHold', { key: chordText(talk.chord, keyWords(words)) });
  return (
    <span class={`key-state${hushed ? '' : ' heard'}`} title={text} data-testid={`key-state-${input}`}>
      {text}
    </span>
  );
}
