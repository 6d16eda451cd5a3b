#!/usr/bin/env node
// The command as a user types it from a checkout: checks the Node version in plain JavaScript, then hands over to the TypeScript entry.
import '../tools/guardNode.mjs';

await import('../operator/main.ts');
