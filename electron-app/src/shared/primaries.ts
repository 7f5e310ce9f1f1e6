/**
 * The chosen primary of each canvas: the destination whose network its bitrate follows. Pure.
 *
 * The main canvas's stands in `primaryDestination`, as it always did; those of further canvases stand beside it.
 */
import type { SavedDestination } from './destinations';

export interface Primaries {
  destinations: ReadonlyArray<Pick<SavedDestination, 'id' | 'canvas'>>;
  primaryDestination?: string;
  canvasPrimaries?: readonly string[];
}

/** All that were chosen, one for each canvas at the most. */
export function primariesOf({ primaryDestination, canvasPrimaries = [] }: Primaries): string[] {
  return primaryDestination === undefined ? [...canvasPrimaries] : [primaryDestination, ...canvasPrimaries];
}

/** The chosen one of a canvas; an absent name is the main one. */
export function chosenOf(settings: Primaries, canvas: string | undefined): string | undefined {
  return primariesOf(settings).find((id) => canvasOf(settings, id) === canvas);
}

/** What is remembered once that destination is chosen: the choice of another canvas stays. */
export function withChosen(settings: Primaries, id: string): Pick<Primaries, 'primaryDestination' | 'canvasPrimaries'> {
  const canvas = canvasOf(settings, id);
  const { primaryDestination, canvasPrimaries = [] } = settings;
  if (canvas === undefined) return { primaryDestination: id, canvasPrimaries };
  const others = canvasPrimaries.filter((each) => each !== id && canvasOf(settings, each) !== canvas);
  return { primaryDestination: primaryDestination === id ? undefined : primaryDestination, canvasPrimaries: [...others, id] };
}

/** What is remembered once a destination is gone, or takes another canvas. */
export function withoutChosen({ primaryDestination, canvasPrimaries = [] }: Primaries, id: string): Pick<Primaries, 'primaryDestination' | 'canvasPrimaries'> {
  return {
    primaryDestination: primaryDestination === id ? undefined : primaryDestination,
    canvasPrimaries: canvasPrimaries.filter((each) => each !== id),
  };
}

function canvasOf({ destinations }: Primaries, id: string): string | undefined {
  return destinations.find((each) => each.id === id)?.canvas;
}
