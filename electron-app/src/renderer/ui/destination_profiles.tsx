/** The profiles of the list: one is picked, what is on is kept as one, one is forgotten. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { profileInForce, switchedOn } from '../../shared/destination_profiles';
import { useUi } from './context';
import { IconButton, Select } from './controls';

/** No profile's id. */
const BY_HAND = '';

function NewProfile({ onDone }: { onDone(): void }) {
  const { actions, words } = useUi();
  const [name, setName] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const ready = name.trim() !== '';
  const save = (): void => {
    if (ready) void actions.saveProfile(name.trim()).then((taken) => taken && onDone());
  };
  return (
    <div class="destination-profiles">
      <input
        class="text"
        value={name}
        maxLength={100}
        placeholder={words.destinationProfileName}
        aria-label={words.destinationProfileName}
        data-testid="profile-name"
        ref={field}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') save();
          if (event.key === 'Escape') onDone();
        }}
      />
      <IconButton icon="check" label={words.destinationSave} disabled={!ready} testid="profile-save" onClick={save} />
      <IconButton icon="close" label={words.destinationCancel} testid="profile-cancel" onClick={onDone} />
    </div>
  );
}

export function DestinationProfiles() {
  const { state, actions, words } = useUi();
  const [naming, setNaming] = useState(false);
  if (naming) return <NewProfile onDone={() => setNaming(false)} />;
  const { settings } = state;
  const profiles = settings.destinationProfiles ?? [];
  const current = profileInForce(profiles, settings);
  const byHand = current === undefined ? [{ value: BY_HAND, label: words.destinationProfileNone }] : [];
  return (
    <div class="destination-profiles">
      <span class="field-label">{words.destinationProfile}</span>
      <Select
        value={current?.id ?? BY_HAND}
        label={words.destinationProfile}
        options={[...byHand, ...profiles.map(({ id, name }) => ({ value: id, label: name }))]}
        disabled={profiles.length === 0}
        testid="profile"
        onChange={(id) => id !== BY_HAND && void actions.pickProfile(id)}
      />
      {current !== undefined && (
        <IconButton icon="close" label={words.destinationProfileRemove} testid="profile-remove" onClick={() => void actions.removeProfile(current.id)} />
      )}
      <IconButton
        icon="plus"
        label={words.destinationProfileSave}
        disabled={switchedOn(settings).length === 0}
        testid="profile-add"
        onClick={() => setNaming(true)}
      />
    </div>
  );
}
