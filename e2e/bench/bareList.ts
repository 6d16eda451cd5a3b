/** The floor of a cold start: a program that reads all ProwJobs page by page, and is ready when it has them. */
import { prowJobs } from '../../crds/resources.ts';
import { beChild } from './measuring/childProgram.ts';
import { listAll } from './measuring/follow.ts';

await beChild(async (client) => {
  const held: unknown[] = [];
  await listAll(client, prowJobs, {}, (run) => held.push(run.metadata.name));
  if (held.length === 0) throw new Error('no ProwJobs: there is nothing to measure');
});
