/** What each kind of destination is called. */
import type { SavedKind } from '../../shared/destinations';
import type { TextKey } from '../../shared/i18n/index';

export const KIND_WORDS: { readonly [Kind in SavedKind]: TextKey } = {
  rtmp: 'kindRtmp', srt: 'kindSrt', whip: 'kindWhip', backend: 'kindBackend', mpeg_ts: 'kindMpegTs', rtp: 'kindRtp',
};
