/** What a further encode would cost, said before it is there. */
import type { CanvasCost } from '../../shared/model';
import { useUi } from './context';

export function Cost({ cost, testid }: { cost: CanvasCost; testid: string }) {
  const { words, say } = useUi();
  const figures = { cores: cost.cores.toFixed(2), machine: cost.machineCores.toFixed(0), ms: cost.msPerPicture.toFixed(1), busy: cost.busyCores.toFixed(1) };
  return (
    <p class={`notice wide${cost.room === 'enough' ? ' good' : ' bad'}`} role="status" data-testid={testid} data-room={cost.room}>
      <strong>{words[`canvasesRoom_${cost.room}`]}</strong>{' '}
      <span title={cost.measuredLive ? words.canvasesCostLive : words.canvasesCostProbe}>
        {say('canvasesCost', figures)}
      </span>
    </p>
  );
}
