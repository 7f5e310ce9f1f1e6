/** The one exception that handlers throw on purpose, and how any other reads to a user. */
import type { Problem } from '../shared/model';
import { Refused } from '../shared/parse';

/** The page gets the problem as it is. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
    this.name = 'ProblemError';
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof Refused) {
    return { code: 'bad_request', message: `The value was refused: ${error.message}.`, hint: 'Correct it and try again.' };
  }
  return {
    code: 'internal',
    message: error instanceof Error ? error.message : 'Something unexpected happened.',
    hint: 'Copy the diagnostics and report them.',
  };
}
