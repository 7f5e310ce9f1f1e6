/** Putting sources into scenes, from wherever they are shown. */
import { addItem, CANVASES, type Scene } from '../../shared/scene';
import { sourceTitle } from '../../shared/source_names';
import { useUi } from './context';
import { useDesk } from './scene_context';

export function useSceneAdding() {
  const { state, words } = useUi();
  const desk = useDesk();
  const video = state.sources?.video ?? [];
  const nameOf = (id: string): string => sourceTitle(words, video.find((source) => source.id === id) ?? { id, kind: '', title: '' });

  /** A new scene, of that source or empty. */
  function addScene(source?: string): void {
    const empty: Scene = { name: words.newScene, canvas: { ...(desk.current?.canvas ?? CANVASES['16:9']) }, items: [] };
    desk.add(source === undefined ? empty : addItem(empty, source, nameOf(source)));
  }

  /** On top of the scene that is arranged; where there is none, a new one. */
  function addToScene(source: string): void {
    if (desk.current === undefined) addScene(source);
    else desk.edit((scene) => addItem(scene, source, nameOf(source)));
  }

  return { nameOf, addScene, addToScene };
}
