/**
 * Profiles: named choices among the destinations, each with those that are on together. How they are read, which one
 * is in force, and what picking one changes. Pure.
 *
 * A profile holds ids alone: a destination's address and key are one and the same in all of them.
 */
import { identifier, LOCAL_ID, MOST_DESTINATIONS, type SavedDestination } from './destinations';
import { fields, optional, Refused, text } from './parse';

export const MOST_PROFILES = 24;

export interface DestinationProfile {
  id: string;
  name: string;
  /** Those that are on, by their ids; `LOCAL_ID` is this computer. Never empty. */
  on: string[];
  /** The one of them that owns the encode's bitrate, where one was chosen. */
  primary?: string;
}

/** What of the settings says where the stream goes. */
export interface Switches {
  destinations: ReadonlyArray<Pick<SavedDestination, 'id' | 'on'>>;
  localInList: boolean;
}

export function destinationProfiles(value: unknown, path: string): DestinationProfile[] {
  if (!Array.isArray(value) || value.length > MOST_PROFILES) throw new Refused(path, `a list of at most ${MOST_PROFILES}`);
  return value.map((each, at) => destinationProfile(each, `${path}[${at}]`));
}

function destinationProfile(value: unknown, path: string): DestinationProfile {
  const f = fields(value, path);
  const on: unknown = f.on;
  if (!Array.isArray(on) || on.length === 0 || on.length > MOST_DESTINATIONS + 1) throw new Refused(`${path}.on`, 'some ids');
  return {
    id: identifier(f.id, `${path}.id`),
    name: profileName(f.name, `${path}.name`),
    on: on.map((id: unknown, at) => identifier(id, `${path}.on[${at}]`)),
    primary: optional(f.primary, `${path}.primary`, identifier),
  };
}

export function profileName(value: unknown, path: string): string {
  const name = text(value, path, 100).trim();
  if (name === '') throw new Refused(path, 'a name');
  return name;
}

/** The ids of all that are on, this computer first. */
export function switchedOn({ destinations, localInList }: Switches): string[] {
  const on = destinations.filter((each) => each.on).map((each) => each.id);
  return localInList ? [LOCAL_ID, ...on] : on;
}

/** The profile that is in force: what is on is what it says. None where a single one was switched since. */
export function profileInForce(profiles: readonly DestinationProfile[], switches: Switches): DestinationProfile | undefined {
  const on = switchedOn(switches);
  return profiles.find((each) => each.on.length === on.length && each.on.every((id) => on.includes(id)));
}

/**
 * What is to be switched so that a profile is in force. Those that go on come first: in between something is always
 * live, and whoever is in both is not touched.
 */
export function switchesTo(profile: DestinationProfile, switches: Switches): Array<{ id: string; on: boolean }> {
  const known = [LOCAL_ID, ...switches.destinations.map((each) => each.id)];
  const now = switchedOn(switches);
  const begin = known.filter((id) => profile.on.includes(id) && !now.includes(id));
  const end = known.filter((id) => !profile.on.includes(id) && now.includes(id));
  return [...begin.map((id) => ({ id, on: true })), ...end.map((id) => ({ id, on: false }))];
}

/** The profiles once a destination is gone; one that had no other is gone with it. */
export function profilesWithout(profiles: readonly DestinationProfile[], id: string): DestinationProfile[] {
  return profiles
    .map((each) => ({ ...each, on: each.on.filter((other) => other !== id), primary: each.primary === id ? undefined : each.primary }))
    .filter((each) => each.on.length > 0);
}
