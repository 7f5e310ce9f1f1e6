/** The live scene's items as frames over the preview: dragged, scaled at a corner, snapped, moved by arrow keys. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { changeItem, snapMove, snapScale, type Box, type SceneItem } from '../../shared/scene';
import { useUi } from './context';
import { useSceneAdding } from './scene_adding';
import { useDesk } from './scene_context';

/** Screen pixels from which a frame jumps to a guide. */
const REACH = 8;

interface Drag {
  item: SceneItem;
  scaling: boolean;
  x: number;
  y: number;
}

export function SceneOverlay() {
  const { state, words } = useUi();
  const desk = useDesk();
  const { nameOf } = useSceneAdding();
  const layer = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const drag = useRef<Drag | undefined>(undefined);
  const scene = desk.current;
  const shown = scene !== undefined && desk.live === scene.name && !state.mirrored;

  useEffect(() => {
    const measure = (): void => {
      const element = layer.current;
      if (element !== null) setRoom({ width: element.clientWidth, height: element.clientHeight });
    };
    measure();
    window.addEventListener('resize', measure);
    return () => window.removeEventListener('resize', measure);
  }, [shown]);

  if (!shown || scene === undefined) return null;
  const scale = Math.min(room.width / scene.canvas.width, room.height / scene.canvas.height);
  const left = (room.width - scene.canvas.width * scale) / 2;
  const top = (room.height - scene.canvas.height * scale) / 2;

  function move(event: PointerEvent): void {
    const from = drag.current;
    if (from === undefined || scene === undefined || scale <= 0) return;
    const dx = (event.clientX - from.x) / scale;
    const dy = (event.clientY - from.y) / scale;
    const { item } = from;
    // With Alt pressed nothing snaps.
    const reach = event.altKey ? 0 : REACH / scale;
    const box: Box = from.scaling
      ? snapScale(scene, item.id, { x: item.x, y: item.y, width: item.width + dx, height: item.height }, item.width / item.height, reach)
      : snapMove(scene, item.id, { x: item.x + dx, y: item.y + dy, width: item.width, height: item.height }, reach);
    desk.edit((now) => changeItem(now, item.id, box));
  }

  function press(event: PointerEvent, item: SceneItem, scaling: boolean): void {
    if (event.button !== 0 || !(event.currentTarget instanceof HTMLElement)) return;
    event.stopPropagation();
    event.preventDefault();
    event.currentTarget.focus();
    event.currentTarget.setPointerCapture(event.pointerId);
    desk.select(item.id);
    desk.beginDrag();
    drag.current = { item, scaling, x: event.clientX, y: event.clientY };
  }

  function release(): void {
    if (drag.current === undefined) return;
    drag.current = undefined;
    desk.endDrag();
  }

  function nudge(event: KeyboardEvent, item: SceneItem): void {
    const by = event.shiftKey ? 10 : 1;
    const steps: { [key: string]: [number, number] } = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const found = steps[event.key];
    if (found === undefined) return;
    event.preventDefault();
    desk.edit((now) => changeItem(now, item.id, { x: item.x + found[0], y: item.y + found[1] }));
  }

  return (
    <div class="scene-overlay" ref={layer} data-testid="scene-overlay" onPointerDown={() => desk.select(undefined)}>
      {scene.items
        .filter((item) => item.visible)
        .map((item) => (
          <div
            key={item.id}
            class={`scene-frame${item.id === desk.state.item ? ' chosen' : ''}`}
            style={{
              left: `${left + item.x * scale}px`,
              top: `${top + item.y * scale}px`,
              width: `${item.width * scale}px`,
              height: `${item.height * scale}px`,
            }}
            tabIndex={0}
            role="button"
            aria-label={`${words.moveItem}: ${item.name === '' ? nameOf(item.source) : item.name}`}
            data-testid="scene-frame"
            data-item={item.id}
            onPointerDown={(event) => press(event, item, false)}
            onPointerMove={move}
            onPointerUp={release}
            onPointerCancel={release}
            onKeyDown={(event) => nudge(event, item)}
          >
            {item.id === desk.state.item && (
              <span
                class="scene-handle"
                data-testid="scene-handle"
                onPointerDown={(event) => press(event, item, true)}
                onPointerMove={move}
                onPointerUp={release}
                onPointerCancel={release}
              />
            )}
          </div>
        ))}
    </div>
  );
}
