import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineHost, type HostListeners } from '../../src/main/engine_host';
import { afterDeath, MAX_DEATHS } from '../../src/main/restart_policy';
import type { HostStatus } from '../../src/shared/contract';
import type { ToHost } from '../../src/shared/host_messages';

/** Processes and time under the test's hand. */
function rig() {
  let now = 0;
  const timers = new Set<{ at: number; then: () => void }>();
  const children: Array<{ on: HostListeners; sent: ToHost[]; killed: boolean }> = [];
  const statuses: HostStatus[] = [];
  const ready: boolean[] = [];
  const host = new EngineHost({
    spawn: (on) => {
      const child = { on, sent: [] as ToHost[], killed: false };
      children.push(child);
      return {
        send: (message) => child.sent.push(message),
        kill: () => {
          child.killed = true;
        },
      };
    },
    now: () => now,
    after: (ms, then) => {
      const timer = { at: now + ms, then };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    onStatus: (status) => statuses.push(status),
    onEvent: () => undefined,
    onReady: (restarted) => ready.push(restarted),
  });
  const pass = (ms: number): void => {
    now += ms;
    for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > now || !timers.delete(timer)) continue;
      timer.then();
    }
  };
  const last = () => {
    const child = children[children.length - 1];
    assert.ok(child);
    return child;
  };
  return { host, children, statuses, ready, pass, last };
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a command gets the outcome with its number', async () => {
  const { host, last } = rig();
  host.start();
  last().on.message({ kind: 'ready' });
  const first = host.dispatch({ type: 'stats' });
  const second = host.dispatch({ type: 'open_preview' });
  await tick();
  assert.deepEqual(last().sent.map((message) => message.kind === 'dispatch' && message.id), [1, 2]);
  last().on.message({ kind: 'outcome', id: 2, outcome: { type: 'ok', reply: { type: 'done' } } });
  last().on.message({ kind: 'outcome', id: 1, outcome: { type: 'failed', problem: { code: 'x', message: '', hint: '' } } });
  assert.equal((await first).type, 'failed');
  assert.equal((await second).type, 'ok');
});

test('a command given before the engine is ready is sent when it is', async () => {
  const { host, last } = rig();
  host.start();
  const outcome = host.dispatch({ type: 'list_sources' });
  await tick();
  assert.equal(last().sent.length, 0);
  last().on.message({ kind: 'ready' });
  await tick();
  assert.equal(last().sent.length, 1);
  last().on.message({ kind: 'outcome', id: 1, outcome: { type: 'ok', reply: { type: 'done' } } });
  assert.equal((await outcome).type, 'ok');
});

test('a host that ran for a while is started again at once, and its owner is told to replay', async () => {
  const { host, children, ready, pass, last } = rig();
  host.start();
  last().on.message({ kind: 'ready' });
  const lost = host.dispatch({ type: 'stats' });
  await tick();
  pass(10_000);
  last().on.exit('SIGKILL');
  const outcome = await lost;
  assert.ok(outcome.type === 'failed' && outcome.problem.code === 'engine_interrupted');
  assert.equal(children.length, 2, 'without waiting');
  last().on.message({ kind: 'ready' });
  assert.deepEqual(ready, [false, true]);
  assert.equal(host.status.kind, 'running');
});

test('a host that dies young waits a little longer each time, and in the end it is given up', () => {
  const { host, children, pass, last } = rig();
  host.start();
  for (let death = 1; death <= MAX_DEATHS; death += 1) {
    last().on.exit('SIGSEGV');
    assert.equal(host.status.kind, 'restarting');
    assert.equal(children.length, death, 'it waits');
    pass(2_000);
    assert.equal(children.length, death + 1);
  }
  last().on.exit('SIGSEGV');
  assert.ok(host.status.kind === 'failed' && host.status.problem.code === 'engine_keeps_crashing');
  pass(60_000);
  assert.equal(children.length, MAX_DEATHS + 1);
});

test('after it was given up, the user can start it again', async () => {
  const { host, children, last } = rig();
  host.start();
  last().on.message({ kind: 'unusable', reason: 'no addon' });
  last().on.exit('code 1');
  const outcome = await host.dispatch({ type: 'stats' });
  assert.ok(outcome.type === 'failed' && outcome.problem.code === 'engine_unusable');
  host.start();
  assert.equal(children.length, 2);
  assert.equal(host.status.kind, 'starting');
});

test('what a dead process still says is not heard', async () => {
  const { host, children, pass, ready } = rig();
  host.start();
  pass(10_000);
  children[0]?.on.exit('SIGKILL');
  children[0]?.on.message({ kind: 'ready' });
  children[0]?.on.exit('SIGKILL');
  assert.deepEqual(ready, []);
  assert.equal(children.length, 2);
});

test('an engine that does not answer is said, not waited for without end', async () => {
  const { host, last, pass } = rig();
  host.start();
  last().on.message({ kind: 'ready' });
  const outcome = host.dispatch({ type: 'stats' });
  await tick();
  pass(60_000);
  const result = await outcome;
  assert.ok(result.type === 'failed' && result.problem.code === 'engine_not_answering');
});

test('it ends in order, and is killed where it does not', async () => {
  const inOrder = rig();
  inOrder.host.start();
  inOrder.last().on.message({ kind: 'ready' });
  const ended = inOrder.host.stop();
  assert.deepEqual(inOrder.last().sent, [{ kind: 'shutdown' }]);
  inOrder.last().on.exit('code 0');
  await ended;
  assert.equal(inOrder.children.length, 1, 'an end that was asked for is no crash');

  const stuck = rig();
  stuck.host.start();
  const killed = stuck.host.stop();
  stuck.pass(10_000);
  await killed;
  assert.ok(stuck.last().killed);
});

test('the first restart of a young host is over within a second', () => {
  const verdict = afterDeath([1_000], 0);
  assert.ok(verdict.kind === 'restart' && verdict.afterMs <= 1_000);
});
