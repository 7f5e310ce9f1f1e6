/** Profiles of the list: what is kept, what is in force, and what picking one switches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsers } from '../../src/main/ipc_arguments';
import { destinationProfiles, profileInForce, profilesWithout, switchesTo, type DestinationProfile, type Switches } from '../../src/shared/destination_profiles';
import { Refused } from '../../src/shared/parse';
import { defaultSettings, parseSettings } from '../../src/shared/settings';

const evening: DestinationProfile = { id: 'e', name: 'Evening', on: ['local', 'a', 'b'], primary: 'a' };
const trial: DestinationProfile = { id: 't', name: 'Trial', on: ['c'] };

function switches(on: string[], localInList = false): Switches {
  return { localInList, destinations: ['a', 'b', 'c'].map((id) => ({ id, on: on.includes(id) })) };
}

test('the profile in force is the one that says what is on, whoever switched it', () => {
  const profiles = [evening, trial];
  assert.equal(profileInForce(profiles, switches(['b', 'a'], true)), evening);
  assert.equal(profileInForce(profiles, switches(['c'])), trial);
  assert.equal(profileInForce(profiles, switches(['a', 'b'])), undefined);
  assert.equal(profileInForce(profiles, switches(['a', 'b', 'c'], true)), undefined);
});

test('what goes on comes first, and what is in both profiles is not touched', () => {
  assert.deepEqual(switchesTo(trial, switches(['a', 'b'], true)), [{ id: 'c', on: true }, { id: 'local', on: false }, { id: 'a', on: false }, { id: 'b', on: false }]);
  assert.deepEqual(switchesTo(evening, switches(['b', 'c'], true)), [{ id: 'a', on: true }, { id: 'c', on: false }]);
  assert.deepEqual(switchesTo(trial, switches(['c'])), []);
  const old = { ...trial, on: ['c', 'removed-since'] };
  assert.deepEqual(switchesTo(old, switches([])), [{ id: 'c', on: true }], 'an id that nobody has is nothing to switch');
});

test('a destination that is removed leaves each profile, and an empty one goes with it', () => {
  assert.deepEqual(profilesWithout([evening, trial], 'c'), [{ ...evening }]);
  assert.deepEqual(profilesWithout([evening], 'a'), [{ ...evening, on: ['local', 'b'], primary: undefined }]);
});

test('profiles are remembered as they are, and a broken one is refused with its place', () => {
  const kept = parseSettings(JSON.parse(JSON.stringify({ ...defaultSettings(), destinationProfiles: [evening, trial] })));
  assert.deepEqual(JSON.parse(JSON.stringify(kept.destinationProfiles)), [evening, trial]);
  assert.equal(parseSettings(JSON.parse(JSON.stringify(defaultSettings()))).destinationProfiles, undefined);
  for (const broken of [{ ...trial, on: [] }, { ...trial, on: ['../x'] }, { ...trial, name: '  ' }, { ...trial, id: 7 }, 'c']) {
    assert.throws(() => destinationProfiles([evening, broken], 'profiles'), /profiles\[1\]/);
  }
});

test('the page may name a profile, and nothing else', () => {
  assert.deepEqual(parsers.saveProfile([' Evening ']), ['Evening']);
  for (const wrong of [[], [''], [7], ['a', 'b'], ['x'.repeat(101)]]) assert.throws(() => parsers.saveProfile(wrong), Refused);
  assert.throws(() => parsers.pickProfile(['../x']), Refused);
});
