/** What every component needs: the words, the state and the acts. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { dictionaryOf, fill, type Dictionary, type TextKey } from '../../shared/i18n/index';
import type { Actions } from '../actions';
import type { MeterBus } from '../meters';
import type { PageState, Store } from '../store';

export interface Ui {
  state: PageState;
  store: Store;
  actions: Actions;
  meters: MeterBus;
  words: Dictionary;
  /** A text with its `{names}` filled in. */
  say(key: TextKey, values: { readonly [name: string]: string | number }): string;
}

export const UiContext = createContext<Ui | undefined>(undefined);

export function useUi(): Ui {
  const ui = useContext(UiContext);
  if (ui === undefined) throw new Error('a component stands outside the app');
  return ui;
}

export function makeUi(state: PageState, store: Store, actions: Actions, meters: MeterBus): Ui {
  const words = dictionaryOf(state.language);
  return { state, store, actions, meters, words, say: (key, values) => fill(words[key], values) };
}
