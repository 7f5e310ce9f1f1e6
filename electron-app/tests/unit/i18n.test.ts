import assert from 'node:assert/strict';
import { test } from 'node:test';
import { en } from '../../src/shared/i18n/en';
import { fill, languageFor, sayCode, sayProblem } from '../../src/shared/i18n/index';
import { zh } from '../../src/shared/i18n/zh';

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '').sort();

test('both languages have every text, and each text the same blanks', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const other: unknown = Object.entries(zh).find(([name]) => name === key)?.[1];
    assert.ok(typeof other === 'string' && other.trim() !== '', key);
    assert.deepEqual(names(other), names(text), key);
  }
});

test('Chinese texts are Chinese', () => {
  const same = ['languageSwitch', 'languageSwitchTitle', 'unknownValue', 'destinationWhip'];
  for (const [key, text] of Object.entries(zh)) if (!same.includes(key)) assert.match(text, /[\u4e00-\u9fff]/, key);
});

test('every problem has a hint, and every hint a problem', () => {
  const codes = (prefix: string): string[] =>
    Object.keys(en).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)).sort();
  assert.deepEqual(codes('problem_'), codes('hint_'));
});

test('the system locale chooses the language', () => {
  assert.deepEqual(['zh-CN', 'zh', 'ZH-tw', 'en-GB', 'de', ''].map(languageFor), ['zh', 'zh', 'zh', 'en', 'en', 'en']);
});

test('blanks are filled; one without a value stays to be seen', () => {
  assert.equal(fill('{a} and {b}', { a: 1 }), '1 and {b}');
});

test('a problem is said by its code, else in the words of the engine', () => {
  const port = { code: 'port_in_use', message: 'Port 8080 is taken.', hint: 'Choose another one.' };
  assert.equal(sayProblem(en, port).message, 'Port 8080 is taken.');
  assert.equal(sayProblem(zh, port).message, zh.problem_port_in_use);
  const gone = { code: 'source_not_found', message: 'there is no source x11:window:0x1', hint: 'h' };
  assert.equal(sayProblem(en, gone).message, en.problem_source_not_found, 'no id of a program’s');
  const strange = { code: 'brand_new', message: 'Something new.', hint: 'Wait.' };
  assert.deepEqual(sayProblem(zh, strange), { message: 'Something new.', hint: 'Wait.' });
  assert.deepEqual(sayProblem(zh, { ...strange, code: 'constructor' }), { message: 'Something new.', hint: 'Wait.' });
  assert.equal(sayProblem(en, { ...strange, message: 'no way' }).message, 'No way');
  assert.equal(sayProblem(en, { ...strange, message: 'live.example.com refused' }).message, 'live.example.com refused');
  assert.equal(sayCode(en, 'source_minimised').message, en.problem_source_minimised);
  assert.equal(sayCode(en, 'brand_new').message, 'brand new');
});
