/** A recording, played where it is listed: by hls.js, which is fetched only now, or by a browser that reads playlists. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { playlistOf, type Recording } from './api';
import { useDesk } from './context';
import { Dialog } from './parts';

const NATIVE = 'application/vnd.apple.mpegurl';

/** What of hls.js is used here. */
interface Player {
  on: (event: string, heard: (event: string, data: { fatal: boolean }) => void) => void;
  loadSource: (address: string) => void;
  attachMedia: (video: HTMLVideoElement) => void;
  destroy: () => void;
}

interface PlayerClass {
  new (settings: { enableWorker: boolean; startPosition: number }): Player;
  isSupported: () => boolean;
  Events: { ERROR: string };
}

declare global {
  interface Window {
    HLS_JS?: { default: PlayerClass };
  }
}

function library(): Promise<PlayerClass | undefined> {
  if (window.HLS_JS || !('MediaSource' in window || 'ManagedMediaSource' in window)) return Promise.resolve(window.HLS_JS?.default);
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = '/assets/hls.js';
    script.onload = () => resolve(window.HLS_JS?.default);
    script.onerror = () => reject(new Error('hls.js did not come'));
    document.head.append(script);
  });
}

export function RecordingPlayer({ recording, title, onClose }: { recording: Recording; title: string; onClose: () => void }) {
  const { say } = useDesk();
  const video = useRef<HTMLVideoElement>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let over = false;
    let player: Player | undefined;
    const fail = () => (over ? undefined : setFailed(true));
    library().then((Hls) => {
      const screen = video.current;
      if (over || !screen) return;
      if (Hls?.isSupported()) {
        player = new Hls({ enableWorker: false, startPosition: 0 });
        player.on(Hls.Events.ERROR, (_, data) => (data.fatal ? fail() : undefined));
        player.loadSource(playlistOf(recording));
        player.attachMedia(screen);
      } else if (screen.canPlayType(NATIVE)) {
        screen.src = playlistOf(recording);
        screen.onerror = fail;
      } else return fail();
      // Where it may not begin by itself the controls are there.
      screen.play().catch(() => {});
    }, fail);
    return () => {
      over = true;
      player?.destroy();
    };
  }, [recording.rule, recording.stream, recording.id]);
  return (
    <Dialog title={title} onClose={onClose} wide>
      <video ref={video} controls playsInline data-testid="player" />
      {failed ? <p class="problem" role="alert">{say('unplayable')}</p> : null}
      <div class="buttons">
        <button type="button" class="secondary" onClick={onClose} data-testid="player-close">{say('close')}</button>
      </div>
    </Dialog>
  );
}
