/** What a scene has beside its sources: its canvas, its hot key, and how the stream goes over to it. */
import { useState } from 'preact/hooks';
import { CANVASES, withCanvas, type Scene } from '../../shared/scene';
import { useUi } from './context';
import { Field, NumberField, Select } from './controls';
import { HotKeyField } from './hot_key_field';
import { useDesk } from './scene_context';

const CUSTOM = 'custom';
const FADE_MS = 300;

function nameOf(canvas: Scene['canvas']): string {
  const known = Object.entries(CANVASES).find(([, size]) => size.width === canvas.width && size.height === canvas.height);
  return known === undefined ? CUSTOM : known[0];
}

function CanvasFields({ canvas }: { canvas: Scene['canvas'] }) {
  const { words } = useUi();
  const desk = useDesk();
  const [custom, setCustom] = useState(false);
  const shown = custom ? CUSTOM : nameOf(canvas);
  const resize = (change: Partial<Scene['canvas']>): void => desk.edit((scene) => withCanvas(scene, { ...scene.canvas, ...change }));
  return (
    <>
      <Field label={words.canvas}>
        <Select
          value={shown}
          options={[...Object.keys(CANVASES).map((name) => ({ value: name, label: name })), { value: CUSTOM, label: words.canvasCustom }]}
          testid="scene-canvas"
          onChange={(name) => {
            setCustom(name === CUSTOM);
            const size = Object.entries(CANVASES).find(([known]) => known === name)?.[1];
            if (size !== undefined) resize(size);
          }}
        />
      </Field>
      {shown === CUSTOM &&
        (['width', 'height'] as const).map((side) => (
          <Field key={side} label={words[side]}>
            <NumberField
              value={canvas[side]}
              min={16}
              max={7680}
              step={2}
              even
              unit="px"
              testid={`canvas-${side}`}
              onCommit={(value) => resize({ [side]: value })}
            />
          </Field>
        ))}
    </>
  );
}

function SceneKeyField({ scene }: { scene: string }) {
  const { words } = useUi();
  const desk = useDesk();
  return (
    <HotKeyField label={words.hotKey} hint={words.hotKeyHint} keys={desk.keyOf(scene)} testid="scene-hot-key" problemId="scene-key-problem" onChoose={(keys) => desk.setKey(scene, keys)} />
  );
}

export function SceneSetup() {
  const { actions, words } = useUi();
  const desk = useDesk();
  const scene = desk.current;
  if (scene === undefined) return null;
  const { transition } = desk;
  return (
    <div class="fields">
      <CanvasFields key={scene.name} canvas={scene.canvas} />
      <SceneKeyField key={`key ${scene.name}`} scene={scene.name} />
      <Field label={words.transition}>
        <Select
          value={transition.kind}
          options={[
            { value: 'cut', label: words.cut },
            { value: 'fade', label: words.fade },
          ]}
          testid="scene-transition"
          onChange={(kind) => void actions.changeSettings({ transition: kind === 'cut' ? { kind } : { kind: 'fade', ms: FADE_MS } })}
        />
      </Field>
      {transition.kind === 'fade' && (
        <Field label={words.fadeTime}>
          <NumberField
            value={transition.ms}
            min={1}
            max={10_000}
            step={50}
            unit="ms"
            testid="fade-ms"
            onCommit={(ms) => void actions.changeSettings({ transition: { kind: 'fade', ms } })}
          />
        </Field>
      )}
    </div>
  );
}
