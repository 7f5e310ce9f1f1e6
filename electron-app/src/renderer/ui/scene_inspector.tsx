/** The chosen source of a scene, by numbers. */
import { changeItem, DEFAULT_KEY, ROTATIONS, type Fit, type SceneItem } from '../../shared/scene';
import { CameraSoundSwitch } from './camera_sound';
import { useUi } from './context';
import { Field, NumberField, Select, Switch } from './controls';
import { useDesk } from './scene_context';

const FAR = 32_768;

export function SceneInspector() {
  const { words } = useUi();
  const desk = useDesk();
  const item = desk.current?.items.find(({ id }) => id === desk.state.item);
  if (item === undefined) return null;
  const { id, crop, chroma_key: key } = item;
  const change = (next: Partial<SceneItem>): void => desk.edit((scene) => changeItem(scene, id, next));
  const percent = (value: number): number => Math.round(value * 1000) / 10;
  const fits: ReadonlyArray<{ value: Fit; label: string }> = [
    { value: 'contain', label: words.fitContain },
    { value: 'cover', label: words.fitCover },
    { value: 'stretch', label: words.fitStretch },
  ];
  return (
    <div class="fields scene-inspector" key={id} data-testid="scene-inspector">
      {(['x', 'y', 'width', 'height'] as const).map((side) => (
        <Field key={side} label={{ x: 'X', y: 'Y', width: words.width, height: words.height }[side]}>
          <NumberField
            value={item[side]}
            min={side === 'x' || side === 'y' ? -FAR : 1}
            max={FAR}
            step={1}
            unit="px"
            testid={`item-${side}`}
            onCommit={(value) => change({ [side]: value })}
          />
        </Field>
      ))}
      <Field label={words.fit}>
        <Select
          value={item.fit}
          options={fits}
          testid="item-fit"
          onChange={(value) => {
            const fit = fits.find((each) => each.value === value)?.value;
            if (fit !== undefined) change({ fit });
          }}
        />
      </Field>
      <Field label={words.rotation}>
        <Select
          value={String(item.rotation)}
          options={ROTATIONS.map((degrees) => ({ value: String(degrees), label: `${degrees}°` }))}
          testid="item-rotation"
          onChange={(value) => {
            const rotation = ROTATIONS.find((degrees) => String(degrees) === value);
            if (rotation !== undefined) change({ rotation });
          }}
        />
      </Field>
      <Field label={words.opacity} wide>
        <NumberField value={percent(item.opacity)} min={0} max={100} step={0.1} unit="%" testid="item-opacity" onCommit={(value) => change({ opacity: value / 100 })} />
      </Field>
      {(['left', 'top', 'right', 'bottom'] as const).map((side) => (
        <Field key={side} label={{ left: words.cropLeft, top: words.cropTop, right: words.cropRight, bottom: words.cropBottom }[side]}>
          <NumberField
            value={percent(crop[side])}
            min={0}
            max={Math.max(0, 99 - percent(crop[{ left: 'right', top: 'bottom', right: 'left', bottom: 'top' }[side] as typeof side]))}
            step={0.1}
            unit="%"
            testid={`item-crop-${side}`}
            onCommit={(value) => change({ crop: { ...crop, [side]: value / 100 } })}
          />
        </Field>
      ))}
      <CameraSoundSwitch source={item.source} />
      <div class="line-item wide">
        <span>{words.chromaKey}</span>
        <Switch checked={key !== undefined} label={words.chromaKey} testid="item-key" onChange={(on) => change({ chroma_key: on ? { ...DEFAULT_KEY } : undefined })} />
      </div>
      {key !== undefined && (
        <Field label={words.keyColour}>
          <input
            type="color"
            value={key.colour}
            data-testid="item-key-colour"
            onChange={(event) => change({ chroma_key: { ...key, colour: event.currentTarget.value } })}
          />
        </Field>
      )}
      {key !== undefined &&
        (['similarity', 'smoothness', 'spill'] as const).map((side) => (
          <Field key={side} label={{ similarity: words.keySimilarity, smoothness: words.keySmoothness, spill: words.keySpill }[side]}>
            <NumberField
              value={percent(key[side])}
              min={0}
              max={100}
              step={0.1}
              unit="%"
              testid={`item-key-${side}`}
              onCommit={(value) => change({ chroma_key: { ...key, [side]: value / 100 } })}
            />
          </Field>
        ))}
    </div>
  );
}
