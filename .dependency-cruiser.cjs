// The right-hand column of the table in docs/architecture.md, enforced. One rule a room.
const only = (name, from, allowed, extra = {}) => ({
  name,
  severity: 'error',
  from: { path: from, pathNot: '\\.test\\.ts$|/testing/' },
  to: { path: '^(crds|operator|reconcilers|sandbox|e2e|examples|tools)/', pathNot: allowed, ...extra },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    only('crds-import-nothing-of-ours', '^crds/', '^crds/'),
    only('kube-imports-crds-types', '^operator/kube/', '^(operator/kube|crds)/'),
    only('runtime-imports-kube', '^operator/runtime/', '^operator/(runtime|kube)/'),
    only('jobs-import-crds', '^operator/jobs/', '^(operator/jobs|crds)/'),
    only('importing-imports-jobs-and-crds', '^operator/importing/', '^(operator/(importing|jobs)|crds)/'),
    only('explain-imports-jobs-kube-types-and-crds', '^operator/explain/', '^(operator/(explain|jobs|kube)|crds)/'),
    only('config-imports-crds', '^operator/config/', '^(operator/config|crds)/'),
    only('clusters-import-kube-and-runtime', '^operator/clusters/', '^(operator/(clusters|kube|runtime)|crds)/'),
    only('archive-imports-clusters-and-below', '^operator/archive/', '^(operator/(archive|clusters|kube|runtime|jobs)|crds)/'),
    only('reconcilers-import-the-layers-below', '^reconcilers/', '^(reconcilers|operator/(runtime|kube|jobs|clusters|archive)|crds)/'),
    {
      name: 'reconcilers-never-import-each-other',
      severity: 'error',
      from: { path: '^reconcilers/([^/]+)/' },
      to: { path: '^reconcilers/', pathNot: '^reconcilers/$1/' },
    },
    only('sandbox-imports-crds-and-kube-types', '^sandbox/', '^(sandbox|crds|operator/kube)/'),
    {
      name: 'jobs-are-pure',
      comment:
        'operator/jobs, operator/importing, operator/explain and decide/status/scope modules do no I/O; hashing is the only core module they need',
      severity: 'error',
      from: { path: '^operator/(jobs|importing|explain)/|^reconcilers/[^/]+/(decide|status)\\.ts$', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'undici-only-in-kube',
      severity: 'error',
      from: { path: '^(crds|operator|reconcilers)/', pathNot: '^operator/kube/|\\.test\\.ts$' },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'client-node-values-only-in-kube-and-host',
      severity: 'error',
      from: { path: '^(crds|operator|reconcilers|sandbox)/', pathNot: '^operator/kube/|^operator/runtime/host\\.ts$|\\.test\\.ts$' },
      to: { path: 'node_modules/@kubernetes/client-node/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'test-helpers-only-in-tests',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$|/testing/|^e2e/' },
      to: { path: '/testing/|\\.test\\.ts$|^e2e/' },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules/.*\\.d\\.ts$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
