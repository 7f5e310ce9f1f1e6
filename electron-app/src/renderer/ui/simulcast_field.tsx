/** Whether a WHIP server is offered the picture in smaller sizes, too, and what making them costs. */
import { useEffect, useState } from 'preact/hooks';
import type { CanvasCost } from '../../shared/model';
import { Cost } from './canvas_cost';
import { useUi } from './context';
import { Switch } from './controls';

export function SimulcastField(props: { checked: boolean; canvas?: string; testid: string; onChange(checked: boolean): void }) {
  const { actions, words } = useUi();
  const { checked, canvas } = props;
  const [cost, setCost] = useState<CanvasCost | undefined>(undefined);
  useEffect(() => {
    let current = true;
    setCost(undefined);
    if (!checked) return undefined;
    void actions.simulcastCost(canvas).then((answer) => {
      if (current && answer.ok) setCost(answer.value);
    });
    return () => {
      current = false;
    };
  }, [checked, canvas]);
  return (
    <>
      <div class="line-item wide" title={words.simulcastTitle}>
        <span>{words.simulcast}</span>
        <Switch checked={checked} label={words.simulcast} testid={props.testid} onChange={props.onChange} />
      </div>
      {checked && <p class="quiet wide">{words.simulcastText}</p>}
      {cost !== undefined && cost.cores > 0 && <Cost cost={cost} testid={`${props.testid}-cost`} />}
      {cost !== undefined && cost.cores === 0 && (
        <p class="notice wide" role="status">
          {words.simulcastTooSmall}
        </p>
      )}
    </>
  );
}
