/** Scenes: the list, the tree of the chosen one's sources, and the numbers of the chosen source. */
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  CANVASES,
  changeItem,
  moveItem,
  raiseItem,
  readSceneFile,
  removeItem,
  screenAndCamera,
  writeSceneFile,
  type SceneItem,
} from '../../shared/scene';
import { sayCode } from '../../shared/i18n/index';
import { hotKeyText } from '../../shared/scene_keys';
import { useUi } from './context';
import { IconButton, Panel, Select } from './controls';
import { useReorder } from './reorder';
import { useSceneAdding } from './scene_adding';
import { useDesk } from './scene_context';
import { SceneInspector } from './scene_inspector';
import { ContextMenu, menuAt, type Menu } from './scene_menu';
import { SceneSetup } from './scene_setup';

function download(name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${name.replace(/[^\p{L}\p{N} _-]/gu, '_')}.scene.json`;
  link.click();
  URL.revokeObjectURL(url);
}

/** The name of a scene while it is written. */
function SceneName({ name, onDone }: { name: string; onDone(): void }) {
  const { words } = useUi();
  const desk = useDesk();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  return (
    <input
      class="scene-name"
      defaultValue={name}
      aria-label={words.rename}
      data-testid="scene-name"
      ref={field}
      onBlur={(event) => {
        desk.rename(event.currentTarget.value);
        onDone();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur();
        if (event.key === 'Escape') {
          event.currentTarget.value = name;
          event.currentTarget.blur();
        }
      }}
    />
  );
}

export function ScenePanel() {
  const { state, store, words } = useUi();
  const desk = useDesk();
  const [menu, setMenu] = useState<Menu | undefined>(undefined);
  const [renaming, setRenaming] = useState<string | undefined>(undefined);
  const file = useRef<HTMLInputElement>(null);
  const { scenes, scene: chosen, item: chosenItem, canUndo, canRedo } = desk.state;
  const scene = desk.current;
  const video = state.sources?.video ?? [];
  const { nameOf, addScene, addToScene } = useSceneAdding();
  const titleOf = (item: SceneItem): string => (item.name !== '' ? item.name : nameOf(item.source));
  /** Why a live item shows a card in place of its picture, and what to do about it. */
  const loss = (item: SceneItem): string | undefined => {
    const found = desk.live === scene?.name ? state.state?.sources.find((source) => source.id === item.source) : undefined;
    if (found === undefined || found.capture.kind !== 'lost') return undefined;
    const { message, hint } = sayCode(words, found.capture.code);
    return `${message}\n${hint}`;
  };
  const canvas = scene?.canvas ?? CANVASES['16:9'];
  const mac = state.boot.versions.platform.startsWith('darwin');

  const screen = video.find((source) => source.id === state.chosen && source.kind !== 'camera') ?? video.find(({ kind }) => kind === 'monitor');
  const camera = video.find(({ kind }) => kind === 'camera');

  async function importFile(input: HTMLInputElement): Promise<void> {
    const picked = input.files?.[0];
    input.value = '';
    if (picked === undefined) return;
    try {
      desk.addAll(readSceneFile(await picked.text()));
    } catch (error) {
      store.toast({ tone: 'error', title: words.sceneFileWrong, detail: error instanceof Error ? error.message : String(error) });
    }
  }

  const sceneActs = (): Menu['acts'] => [
    { label: words.duplicate, testid: 'scene-duplicate', act: () => desk.duplicate() },
    { label: words.rename, testid: 'scene-rename', act: () => setRenaming(desk.state.scene) },
    { label: words.exportScene, testid: 'scene-export', act: () => desk.current !== undefined && download(desk.current.name, writeSceneFile([desk.current])) },
    { label: words.remove, testid: 'scene-remove', act: () => desk.remove() },
  ];
  const itemActs = (item: SceneItem): Menu['acts'] => [
    { label: words.bringUp, testid: 'item-up', act: () => desk.edit((s) => raiseItem(s, item.id, 1)) },
    { label: words.bringDown, testid: 'item-down', act: () => desk.edit((s) => raiseItem(s, item.id, -1)) },
    {
      label: words.fillCanvas,
      testid: 'item-fill',
      act: () => desk.edit((s) => changeItem(s, item.id, { x: 0, y: 0, width: s.canvas.width, height: s.canvas.height })),
    },
    { label: words.remove, testid: 'item-remove', act: () => desk.edit((s) => removeItem(s, item.id)) },
  ];
  function openMenu(event: MouseEvent, acts: Menu['acts']): void {
    event.preventDefault();
    setMenu(menuAt(event, acts));
  }
  const sceneOrder = useReorder('[data-testid="scene-row"]', (from, to) => {
    const moved = scenes[from];
    if (moved !== undefined) desk.reorder(moved.name, to);
  });
  // The topmost item is the first of the list, and the last of the scene.
  const itemOrder = useReorder('[data-testid="scene-item"]', (from, to) => {
    const count = scene?.items.length ?? 0;
    const moved = scene?.items[count - 1 - from];
    if (moved !== undefined) desk.edit((s) => moveItem(s, moved.id, count - 1 - to));
  });

  return (
    <Panel
      title={words.scenes}
      class="scenes"
      aside={
        <span class="scene-tools">
          <IconButton icon="undo" label={words.undo} testid="scene-undo" disabled={!canUndo} onClick={() => desk.undo()} />
          <IconButton icon="redo" label={words.redo} testid="scene-redo" disabled={!canRedo} onClick={() => desk.redo()} />
          <IconButton icon="import" label={words.importScenes} testid="scene-import" onClick={() => file.current?.click()} />
          <IconButton icon="plus" label={words.addScene} testid="scene-add" onClick={() => addScene(state.chosen)} />
        </span>
      }
    >
      <input ref={file} type="file" accept=".json" hidden data-testid="scene-file" onChange={(event) => void importFile(event.currentTarget)} />
      {scenes.length === 0 && <p class="quiet">{words.scenesHint}</p>}
      {screen !== undefined && camera !== undefined && (
        <button
          type="button"
          class="button slim"
          data-testid="scene-screen-camera"
          onClick={() => {
            desk.add(screenAndCamera(words.screenAndCamera, screen.id, camera.id, canvas));
            desk.show(desk.transition);
          }}
        >
          {words.screenAndCamera}
        </button>
      )}
      <div class="scene-list" role="listbox" aria-label={words.scenes} ref={sceneOrder}>
        {scenes.map(({ name }) =>
          renaming === name ? (
            <SceneName key={name} name={name} onDone={() => setRenaming(undefined)} />
          ) : (
            <button
              key={name}
              type="button"
              role="option"
              aria-selected={name === chosen}
              class={`scene-row${name === chosen ? ' chosen' : ''}`}
              data-testid="scene-row"
              data-scene={name}
              title={name}
              onClick={() => desk.switchTo(name)}
              onDblClick={() => setRenaming(name)}
              onContextMenu={(event) => {
                desk.arrange(name);
                openMenu(event, sceneActs());
              }}
            >
              <span>{name}</span>
              {desk.keyOf(name) !== undefined && <kbd class="scene-key">{hotKeyText(desk.keyOf(name) ?? '', mac)}</kbd>}
              {desk.live === name && <span class="scene-mark">{words.sceneLive}</span>}
            </button>
          ),
        )}
      </div>
      <SceneSetup />
      {scene !== undefined && desk.live !== scene.name && (
        <button type="button" class="button slim" data-testid="scene-show" disabled={scene.items.length === 0} onClick={() => desk.show(desk.transition)}>
          {words.showScene}
        </button>
      )}
      {scene !== undefined && (
        <div class="scene-items" role="list" aria-label={words.sources} ref={itemOrder}>
          {[...scene.items].reverse().map((item) => (
            <div
              key={item.id}
              role="listitem"
              class={`scene-item${item.id === chosenItem ? ' chosen' : ''}${loss(item) === undefined ? '' : ' lost'}`}
              data-testid="scene-item"
              data-item={item.id}
              onContextMenu={(event) => {
                desk.select(item.id);
                openMenu(event, itemActs(item));
              }}
            >
              <IconButton
                icon={item.visible ? 'eye' : 'eyeOff'}
                label={item.visible ? words.hide : words.show}
                pressed={item.visible}
                testid="item-visible"
                onClick={() => desk.edit((s) => changeItem(s, item.id, { visible: !item.visible }))}
              />
              <button type="button" class="scene-item-name" title={titleOf(item)} aria-pressed={item.id === chosenItem} onClick={() => desk.select(item.id)}>
                {titleOf(item)}
              </button>
              {loss(item) !== undefined && (
                <span class="scene-mark lost" title={loss(item)}>
                  {words.sourceLost}
                </span>
              )}
              <IconButton icon="up" label={words.bringUp} testid="item-raise" onClick={() => desk.edit((s) => raiseItem(s, item.id, 1))} />
              <IconButton icon="close" label={words.remove} testid="item-delete" onClick={() => desk.edit((s) => removeItem(s, item.id))} />
            </div>
          ))}
          <Select
            value=""
            label={words.addSource}
            options={[{ value: '', label: `${words.addSource}…` }, ...video.map(({ id }) => ({ value: id, label: nameOf(id) }))]}
            testid="scene-add-source"
            onChange={(id) => {
              if (id !== '') addToScene(id);
            }}
          />
        </div>
      )}
      <SceneInspector />
      {menu !== undefined && <ContextMenu menu={menu} onClose={() => setMenu(undefined)} />}
    </Panel>
  );
}
