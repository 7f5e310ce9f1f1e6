/**
 * The whole chain without a person: the first monitor, live on the local server, the viewer's link on stdout.
 *
 * `npm start` asks for it on a machine without a display, so that the stream can be seen from a browser even there.
 */
import { ProblemError } from './problem';
import type { Studio } from './studio';

export function wantsDemo(argv: readonly string[], autostart: string | undefined): boolean {
  return autostart === 'demo' || argv.includes('--demo');
}

/** Resolves with the viewer's link; rejects with a `ProblemError`. */
export async function runDemo(studio: Studio): Promise<string> {
  const sources = await studio.sources.list();
  const monitor = sources.video.find((source) => source.kind === 'monitor') ?? sources.video[0];
  if (monitor === undefined) {
    throw new ProblemError(
      sources.problems[0] ?? {
        code: 'no_sources',
        message: 'There is nothing to capture.',
        hint: 'Start the app inside a desktop session.',
      },
    );
  }
  // Nobody is there to choose: what the engine proposes for this machine is taken before the start, not after.
  await studio.proposeOnFirstRun();
  await studio.startCapture(monitor.id);
  await studio.air.goLive({ kind: 'local' }, undefined);
  const link = studio.viewUrl;
  if (link === undefined) {
    throw new ProblemError({
      code: 'no_view_link',
      message: 'The local server runs, but gave no link.',
      hint: 'Copy the diagnostics and report them.',
    });
  }
  return link;
}
