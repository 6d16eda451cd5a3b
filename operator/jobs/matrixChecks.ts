/** What `validate` says of a PeriodicSet: what keeps its Periodics from being made, and what each of them would be warned of. */
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { describeProblem, expandSet } from './matrixChildren.ts';
import { checkPeriodic, type SemanticProblem } from './semanticChecks.ts';

export function checkPeriodicSet(set: PeriodicSet): readonly SemanticProblem[] {
  const { children, problems, warnings } = expandSet(set);
  const ofChildren = new Map<string, SemanticProblem>();
  for (const { periodic } of children) {
    for (const { path, message } of checkPeriodic(periodic)) {
      ofChildren.set(`${path} ${message}`, { path: `spec.template.${path}`, message, severity: 'warning' });
    }
  }
  return [
    ...problems.map((problem) => ({ path: problem.path, message: describeProblem(problem) })),
    ...warnings.map((warning): SemanticProblem => ({ ...warning, severity: 'warning' })),
    ...ofChildren.values(),
  ];
}
