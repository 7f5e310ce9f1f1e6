/** What the rules of [alerts] watch, as it is now. */
import type { Alert, Overview } from './api';
import { useDesk } from './context';
import { bitrate, clock } from './figures';

const LEVELS = { firing: 'bad', pending: 'warning', well: 'good' } as const;

/** A figure in its rule's unit. */
function figure(kind: Alert['kind'], value: number | null): string {
  if (value === null || kind === 'stream_down') return '–';
  if (kind === 'bitrate_low') return bitrate(value);
  return kind === 'loss_high' ? `${value.toFixed(1)} %` : `${value.toFixed(value < 10 ? 2 : 1)} GB`;
}

export function Alerts({ overview }: { overview: Overview }) {
  const { say } = useDesk();
  const { alerts, at_ms: at } = overview;
  if (alerts.length === 0) return <section class="page"><p class="panel empty" data-testid="no-alerts">{say('alertsNone')}</p></section>;
  const more = overview.alerts_total - alerts.length;
  return (
    <section class="page">
      <p class="lead">{say('alertsLead')}</p>
      <div class="panel">
        <table class="rows alerts" data-testid="alerts">
          <thead>
            <tr>
              <th>{say('rule')}</th>
              <th>{say('level')}</th>
              <th>{say('watched')}</th>
              <th>{say('value')}</th>
              <th>{say('limit')}</th>
              <th class="end">{say('alertSince')}</th>
            </tr>
          </thead>
          <tbody>
            {alerts.map((each) => (
              <tr key={`${each.alert}/${each.subject}`} data-testid={`alert-${each.alert}`} data-state={each.state}>
                <td>
                  <b>{each.alert}</b> <small>{say(each.kind)}</small>
                </td>
                <td>
                  <span class={`health ${LEVELS[each.state]}`}>
                    <i aria-hidden="true" />
                    {say(each.state)}
                  </span>
                </td>
                <td class="mono">{each.subject}</td>
                <td class="number">{figure(each.kind, each.value)}</td>
                <td class="number">{each.limit === null ? '–' : `${each.kind === 'loss_high' ? '>' : '<'} ${figure(each.kind, each.limit)}`}</td>
                <td class="number end">{each.since_ms === null ? '' : clock(at - each.since_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {more > 0 ? <p class="empty">{say('alertsMore', { n: more })}</p> : null}
      </div>
    </section>
  );
}
