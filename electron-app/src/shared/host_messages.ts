/** What main and the engine host say to each other over the child's IPC channel (JSON). */
import type { Command, EngineEvent, Outcome } from './model';

/** To the engine host. */
export type ToHost =
  | { kind: 'dispatch'; id: number; command: Command }
  /** The engine stops its work in order and the process ends with code 0. */
  | { kind: 'shutdown' };

/** From the engine host. */
export type FromHost =
  | { kind: 'ready' }
  | { kind: 'outcome'; id: number; outcome: Outcome }
  | { kind: 'event'; event: EngineEvent }
  /** The engine can't run at all here: starting it again will not help. */
  | { kind: 'unusable'; reason: string };
