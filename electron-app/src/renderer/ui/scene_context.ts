/** The scene desk for the components that arrange scenes; each change of it draws them again. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { SceneDesk } from '../scene_desk';

export const DeskContext = createContext<SceneDesk | undefined>(undefined);

export function useDesk(): SceneDesk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error('a component stands outside the app');
  const [, setCount] = useState(0);
  useEffect(() => desk.subscribe(() => setCount((count) => count + 1)), [desk]);
  return desk;
}
