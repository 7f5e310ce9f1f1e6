/** What the user does with the list of destinations: remembered here, carried out by the studio. */
import { randomBytes } from 'crypto';
import * as path from 'path';
import { LOCAL_ID, MOST_DESTINATIONS, sdpName, toEngine, type DestinationDraft, type PublicDestination, type SavedDestination } from '../shared/destinations';
import { MOST_PROFILES, profilesWithout, switchedOn, switchesTo, type DestinationProfile } from '../shared/destination_profiles';
import { DEFAULT_CODEC } from '../shared/codecs';
import type { Destination } from '../shared/model';
import { primariesOf, withChosen, withoutChosen } from '../shared/primaries';
import type { KeyStore } from './key_store';
import { NOTHING_ON } from './air';
import { ProblemError } from './problem';
import type { SettingsStore } from './settings_store';
import type { Studio } from './studio';

export class DestinationList {
  constructor(
    private readonly settings: SettingsStore,
    private readonly keys: KeyStore,
    private readonly studio: Studio,
    /** Where recordings go; what players open lies beside them. */
    private readonly folder: () => string,
  ) {}

  /** For the page: without keys, but with whether there is one. */
  public(): PublicDestination[] {
    return this.settings.get().destinations.map((each) => ({ ...each, hasKey: this.keys.has(each.id), sdpFile: this.sdpFile(each) }));
  }

  async save(draft: DestinationDraft): Promise<void> {
    const list = this.settings.get().destinations;
    const old = list.find((each) => each.id === draft.id);
    if (old === undefined && list.length >= MOST_DESTINATIONS) {
      throw new ProblemError({ code: 'list_full', message: 'The list is full.', hint: 'Remove a destination first.' });
    }
    const id = old?.id ?? randomBytes(8).toString('hex');
    const { name, kind, url, canvas, simulcast } = draft;
    const next: SavedDestination = { id, name, kind, url, canvas, on: old?.on ?? true, simulcast: kind === 'whip' ? simulcast : undefined };
    // A key belongs to the address that it was typed for.
    if (draft.key !== undefined) this.keys.set(id, draft.key);
    this.update(old === undefined ? [...list, next] : list.map((each) => (each.id === id ? next : each)));
    // The star of one canvas is none of another's.
    if (old !== undefined && old.canvas !== canvas) this.settings.update(withoutChosen(this.settings.get(), id));
    if (this.studio.air.listIsLive) await this.studio.air.putDestination(this.asked(next), next.on);
  }

  async remove(id: string): Promise<void> {
    await this.studio.air.removeDestination(id);
    this.update(this.settings.get().destinations.filter((each) => each.id !== id));
    this.settings.update({ destinationProfiles: profilesWithout(this.profiles, id), ...withoutChosen(this.settings.get(), id) });
    if (this.keys.has(id)) this.keys.set(id, '');
  }

  async turn(id: string, on: boolean): Promise<void> {
    if (id === LOCAL_ID) {
      this.settings.update({ localInList: on });
      if (this.studio.air.listIsLive) await this.studio.air.turnLocal(on);
      return;
    }
    const list = this.settings.get().destinations.map((each) => (each.id === id ? { ...each, on } : each));
    this.update(list);
    const found = list.find((each) => each.id === id);
    if (found !== undefined && this.studio.air.listIsLive) await this.studio.air.putDestination(this.asked(found), on);
  }

  async test(draft: DestinationDraft): Promise<void> {
    const saved = draft.key === undefined && draft.id !== undefined ? this.keys.get(draft.id) : draft.key;
    const canvas = this.settings.get().canvases?.find((each) => each.id === draft.canvas);
    await this.studio.air.testDestination(toEngine(draft, saved), canvas?.codec ?? DEFAULT_CODEC);
  }

  async choosePrimary(id: string): Promise<void> {
    this.settings.update(withChosen(this.settings.get(), id));
    await this.studio.air.choosePrimary(id);
  }

  /** Keeps what is on now under that name, in the place of one of the same name. */
  async saveProfile(name: string): Promise<void> {
    const on = switchedOn(this.settings.get());
    if (on.length === 0) throw new ProblemError(NOTHING_ON);
    const old = this.profiles.find((each) => each.name === name);
    if (old === undefined && this.profiles.length >= MOST_PROFILES) {
      throw new ProblemError({ code: 'profiles_full', message: 'There are too many profiles.', hint: 'Remove a profile first.' });
    }
    const { primaryDestination } = this.settings.get();
    const primary = primaryDestination !== undefined && on.includes(primaryDestination) ? primaryDestination : undefined;
    const next: DestinationProfile = { id: old?.id ?? randomBytes(8).toString('hex'), name, on, primary };
    const others = this.profiles.filter((each) => each !== old);
    this.settings.update({ destinationProfiles: [...others, next].sort((a, b) => a.name.localeCompare(b.name)) });
  }

  async removeProfile(id: string): Promise<void> {
    this.settings.update({ destinationProfiles: this.profiles.filter((each) => each.id !== id) });
  }

  /** One destination that can't be switched does not hold up the others: what was wrong with the first is told at the end. */
  async pickProfile(id: string): Promise<void> {
    const profile = this.profiles.find((each) => each.id === id);
    if (profile === undefined) return;
    const refused: unknown[] = [];
    for (const each of switchesTo(profile, this.settings.get())) {
      await this.turn(each.id, each.on).catch((error: unknown) => refused.push(error));
    }
    if (profile.primary !== undefined) await this.choosePrimary(profile.primary).catch((error: unknown) => refused.push(error));
    if (refused.length > 0) throw refused[0];
  }

  private get profiles(): readonly DestinationProfile[] {
    return this.settings.get().destinationProfiles ?? [];
  }

  /** What goes live: everything that is switched on. */
  wanted(): { local: boolean; list: Asked[]; primaries: string[] } {
    const settings = this.settings.get();
    const { destinations, localInList } = settings;
    const list = destinations.filter((each) => each.on).map((each) => this.asked(each));
    return { local: localInList, list, primaries: primariesOf(settings) };
  }

  private asked(saved: SavedDestination): Asked {
    const sdpFile = this.sdpFile(saved);
    // The page may show it in the file manager.
    if (sdpFile !== undefined) this.studio.savedFiles.add(sdpFile);
    const asked = { id: saved.id, name: saved.name, destination: toEngine(saved, this.keys.get(saved.id), sdpFile) };
    return saved.canvas === undefined ? asked : { ...asked, canvas: saved.canvas };
  }

  private sdpFile(saved: SavedDestination): string | undefined {
    return saved.kind === 'rtp' ? path.join(this.folder(), sdpName(saved)) : undefined;
  }

  private update(destinations: SavedDestination[]): void {
    this.settings.update({ destinations });
  }
}

export interface Asked {
  id: string;
  name: string;
  destination: Destination;
  /** The further canvas that it takes. */
  canvas?: string;
}
