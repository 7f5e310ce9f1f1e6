/** Picks a dictionary, fills in texts, and says a problem in the user's language. Pure. */
import type { Problem } from '../model';
import type { Language } from '../settings';
import { en, type Dictionary, type TextKey } from './en';
import { zh } from './zh';

export type { Dictionary, TextKey } from './en';

export function dictionaryOf(language: Language): Dictionary {
  return language === 'zh' ? zh : en;
}

/** From a system locale such as `zh-CN` or `en-GB`. */
export function languageFor(locale: string): Language {
  return locale.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** Replaces each `{name}`; a name that is not given stays, so that it is seen. */
export function fill(text: string, values: { readonly [name: string]: string | number }): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : String(value);
  });
}

function isTextKey(key: string): key is TextKey {
  return Object.prototype.hasOwnProperty.call(en, key);
}

function lookUp(dictionary: Dictionary, key: string): string | undefined {
  return isTextKey(key) ? dictionary[key] : undefined;
}

/** Begins with a capital, as a title does; an address or a name in its first word stays as it is. */
function sentence(message: string): string {
  return /^[a-z]+\s/.test(message) ? message.charAt(0).toUpperCase() + message.slice(1) : message;
}

/** Problems whose sentence names a source by its id, which means something to a program only. */
const NAMES_AN_ID: readonly string[] = ['source_not_found'];

/** The problem in the dictionary's language, by its code; the engine's own words where the code is not known here. */
export function sayProblem(dictionary: Dictionary, problem: Problem): { message: string; hint: string } {
  const known = lookUp(dictionary, `problem_${problem.code}`);
  // In English the engine's own sentence names the case more exactly than a text by code can.
  const exact = dictionary === en && problem.message !== '' && !NAMES_AN_ID.includes(problem.code);
  const message = exact ? sentence(problem.message) : (known ?? problem.message);
  const hint = dictionary === en && problem.hint !== '' ? problem.hint : (lookUp(dictionary, `hint_${problem.code}`) ?? problem.hint);
  return { message, hint };
}

/** A short sentence for a code alone, as the engine's state gives it. */
export function sayCode(dictionary: Dictionary, code: string): { message: string; hint: string } {
  return {
    message: lookUp(dictionary, `problem_${code}`) ?? code.replace(/_/g, ' '),
    hint: lookUp(dictionary, `hint_${code}`) ?? '',
  };
}
