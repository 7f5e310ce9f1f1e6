/** Which codec an encode may have, and what does not take it. Pure: the engine says what there is. */
import type { Codec, CodecChoice } from './model';

export const CODECS = ['h264', 'hevc', 'av1'] as const satisfies readonly Codec[];
export const DEFAULT_CODEC: Codec = 'h264';
export const CODEC_NAMES: { readonly [Each in Codec]: string } = { h264: 'H.264', hevc: 'HEVC', av1: 'AV1' };

/** Whether that kind of destination is known to refuse the codec; before the engine was asked nothing is known. */
export function isRefused(choices: readonly CodecChoice[] | undefined, codec: Codec, kind: string): boolean {
  const choice = choices?.find((each) => each.codec === codec);
  return choice !== undefined && !choice.takenBy.includes(kind);
}
