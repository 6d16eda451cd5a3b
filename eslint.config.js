// Type-aware lint. Beyond the strict preset, the rules here keep the layers honest: time comes from a Clock, settings from
// one place, output through the logger, and user patterns never reach the backtracking RegExp engine.
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const forbidden = [
  {
    selector: "NewExpression[callee.name='RegExp'][arguments.0.type!='Literal']",
    message: 'A pattern that is not a literal can stall the event loop: use re2js for user input.',
  },
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Take the time from a Clock (operator/runtime/clock.ts) or as an argument.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Take the time from a Clock (operator/runtime/clock.ts) or as an argument.',
  },
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Environment variables are read in operator/main.ts and in tests only.',
  },
];

export default tseslint.config(
  { ignores: ['node_modules', 'coverage', 'dist', '.sandbox', 'crds/generated', '**/*.js', '**/*.mjs', '**/*.cjs'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-invalid-void-type': 'off',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...forbidden],
      complexity: ['error', 15],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
      'no-empty': ['error', { allowEmptyCatch: false }],
    },
  },
  {
    // The edges of the program: the clock itself, command lines, and everything that is a test or a tool.
    files: [
      'operator/main.ts',
      'operator/runtime/clock.ts',
      'operator/commands/**',
      'sandbox/**',
      'e2e/**',
      'tools/**',
      'examples/**',
      'crds/generate.ts',
      'vitest.config.ts',
      '**/*.test.ts',
      '**/testing/**',
    ],
    rules: { 'no-restricted-syntax': ['error', forbidden[0]], 'no-console': 'off' },
  },
  {
    files: ['**/*.test.ts', 'e2e/**', '**/testing/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      complexity: 'off',
    },
  },
  {
    // The conformance list looks at what a server really answers: JSON of any shape.
    files: ['e2e/conformance/**'],
    rules: { '@typescript-eslint/no-unsafe-return': 'off', '@typescript-eslint/no-unsafe-argument': 'off' },
  },
);
