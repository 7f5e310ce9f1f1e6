// What every part of the page needs: the words, and a place to say what happened.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { Refused } from './api';
import { isWord, type Say } from './words';

export interface Desk {
  say: Say;
  language: string;
  /** A line at the lower edge, for some seconds. */
  tell: (text: string, bad?: boolean) => void;
  /** Tells a failure; a sign-in that has ended leads back to the door. */
  fail: (error: unknown) => void;
}

export const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error('there is no desk around this');
  return desk;
}

/** A failure in words. */
export function explain(say: Say, error: unknown): string {
  if (!(error instanceof Refused)) return say('problem', { what: String(error) });
  const word = `problem_${error.code}`;
  return isWord(word) ? say(word, { n: error.wait }) : say('problem', { what: error.message || error.code });
}
