/** Which encoder runs, and on demand why not a better one: no fallback goes unseen. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useUi } from './context';
import { Icon } from './icons';

const SOFTWARE = ['libx264', 'openh264', 'libopenh264'];

export function EncoderRow() {
  const { state, actions, words, say } = useUi();
  const [open, setOpen] = useState(false);
  const [measuring, setMeasuring] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const encoders = state.encoders;
  const name = state.state?.encoder ?? encoders?.chosen;
  const running = state.state?.refusedEncoders ?? [];
  const refused = running.length > 0 ? running : (encoders?.refused ?? []);

  useEffect(() => {
    if (!open) return undefined;
    // It opens below, where a small window's panel ends.
    box.current?.scrollIntoView({ block: 'nearest' });
    const away = (event: MouseEvent): void => {
      if (box.current !== null && event.target instanceof Node && !box.current.contains(event.target)) setOpen(false);
    };
    const escape = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') setOpen(false);
    };
    document.addEventListener('mousedown', away);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('mousedown', away);
      document.removeEventListener('keydown', escape);
    };
  }, [open]);

  async function measure(): Promise<void> {
    setMeasuring(true);
    await actions.probe();
    setMeasuring(false);
  }

  const proposal = encoders?.proposal;
  const hardware = name !== undefined && !SOFTWARE.includes(name);
  return (
    <div class="encoder" ref={box}>
      <button
        type="button"
        class="line-item line-button"
        aria-expanded={open}
        title={words.encoderDetails}
        data-testid="encoder-details"
        onClick={() => setOpen(!open)}
      >
        <span>{words.encoder}</span>
        <span class="encoder-name">
          <span data-testid="encoder-name">{name ?? words.encoderUnknown}</span>
          <Icon name="info" size={16} />
        </span>
      </button>
      {open && (
        <div class="popover" role="dialog" aria-label={words.encoderDetails} data-testid="encoder-popover">
          {name !== undefined && (
            <p class="popover-head">
              <strong>{name}</strong>
              <span class="tag">{hardware ? words.encoderHardware : words.encoderSoftware}</span>
            </p>
          )}
          {encoders !== undefined && <p>{say('encoderSpeed', { ms: encoders.msPer1080PFrame.toFixed(1) })}</p>}
          {proposal !== undefined && (
            <p>
              {say('encoderProposal', { width: proposal.width, height: proposal.height, fps: proposal.fps, kbps: proposal.kbps })}{' '}
              <button type="button" class="link" onClick={() => void actions.changeVideo(proposal)}>
                {words.encoderUseProposal}
              </button>
            </p>
          )}
          {name !== undefined && refused.length === 0 && <p class="quiet">{words.encoderNoneRefused}</p>}
          {refused.length > 0 && (
            <>
              <h4>{words.encoderRefused}</h4>
              <ul class="refused" data-testid="refused-encoders">
                {refused.map((one) => (
                  <li key={one.name}>
                    <code>{one.name}</code>
                    <span>{one.reason}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          <button type="button" class="button small" disabled={measuring} onClick={() => void measure()}>
            {measuring ? words.encoderMeasuring : words.encoderMeasure}
          </button>
        </div>
      )}
    </div>
  );
}
