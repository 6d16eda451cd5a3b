/**
 * Refs: a repository at a commit, with the pull requests merged on top. Field for field as upstream.
 */
import type { Static } from 'typebox';
import { flag, integer, list, object, optional, text, type Immutable } from './schemaParts.ts';

const pullSchema = object(
  {
    number: integer('Number of the pull request.'),
    author: text('Login of its author.'),
    sha: text('Its head commit.'),
    title: optional(text('Its title.')),
    ref: optional(text('The git ref to fetch, where it is not the usual one.')),
    head_ref: optional(text('Its source branch.')),
    link: optional(text('Its page.')),
    commit_link: optional(text('The page of the commit.')),
    author_link: optional(text('The page of the author.')),
  },
  'A pull request under test.',
);

export const refsSchema = (description: string) =>
  object(
    {
      org: text('Owner of the repository.'),
      repo: text('Name of the repository.'),
      repo_link: optional(text('Page of the repository.')),
      base_ref: optional(text('Branch or tag under test.')),
      base_sha: optional(text('Commit of base_ref.')),
      base_link: optional(text('Page of that commit.')),
      pulls: optional(list(pullSchema, 'Pull requests merged on top of the base, in order.')),
      path_alias: optional(text('Where below the Go source root the repository is cloned.')),
      workdir: optional(flag('The test starts in this repository.')),
      auxiliary: optional(flag('The repository is only a helper and is not what is tested.')),
      clone_uri: optional(text('Clone from here instead of the usual address.')),
      skip_submodules: optional(flag('Do not clone submodules.')),
      clone_depth: optional(integer('How many commits to fetch; 0 means all.')),
      skip_fetch_head: optional(flag('Do not fetch HEAD before the base.')),
      blobless_fetch: optional(flag('Fetch without blobs.')),
      sparse_checkout_files: optional(list(text('A path.'), 'Check out only these paths.')),
    },
    description,
  );

export type Pull = Immutable<Static<typeof pullSchema>>;
export type Refs = Immutable<Static<ReturnType<typeof refsSchema>>>;
