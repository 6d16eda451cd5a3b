/**
 * decoration_config: how a run clones, logs and uploads. Every field of upstream, under its name, so that a job moves over unchanged.
 */
import type { Static } from 'typebox';
import {
  flag,
  integer,
  list,
  map,
  name,
  object,
  openObject,
  optional,
  quantity,
  signedDuration,
  stringEnum,
  text,
  type Immutable,
} from './schemaParts.ts';

const resourceRequirements = (container: string) =>
  object(
    {
      requests: optional(map(quantity('An amount.'), 'What the container asks for.')),
      limits: optional(map(quantity('An amount.'), 'What the container may use at most.')),
      claims: optional(
        list(
          object({ name: name('A claim of the pod.'), request: optional(text('A request of that claim.')) }, 'A claim.'),
          'Claims of dynamic resources.',
        ),
      ),
    },
    `Resources of the ${container} container.`,
  );

const secretKey = (description: string) =>
  object({ name: optional(text('Name of the Secret.')), key: optional(text('Key inside the Secret.')) }, description);

const utilityImages = object(
  {
    clonerefs: optional(text('Image that clones the repositories.')),
    initupload: optional(text('Image that uploads started.json.')),
    entrypoint: optional(text('Image that holds the wrapper of the test process.')),
    sidecar: optional(text('Image that uploads logs and artifacts.')),
  },
  'Images of the helper containers.',
);

const gcsConfiguration = object(
  {
    bucket: optional(text('Bucket for results: name, gs://name, s3://name or file:///path.')),
    path_prefix: optional(text('Put before every path in the bucket.')),
    path_strategy: optional(stringEnum(['legacy', 'single', 'explicit'], 'How org and repo become a path.')),
    default_org: optional(text('Org that legacy and single leave out of paths.')),
    default_repo: optional(text('Repo that legacy and single leave out of paths.')),
    mediaTypes: optional(map(text('A media type.'), 'Media types by file extension.')),
    job_url_prefix: optional(text('Put before the address of a run.')),
    local_output_dir: optional(text('Write results to this directory instead of a bucket.')),
    compress_file_types: optional(list(text('A file extension.'), 'Files to compress before the upload.')),
  },
  'Where results go.',
);

const censoringOptions = object(
  {
    censoring_concurrency: optional(integer('Files censored at once.', { format: 'int64' })),
    censoring_buffer_size: optional(integer('Bytes read at once.')),
    include_directories: optional(list(text('A glob.'), 'Only these directories of artifacts are censored.')),
    exclude_directories: optional(list(text('A glob.'), 'These directories of artifacts are not censored.')),
    minimum_secret_length: optional(integer('Shorter secrets are not censored.')),
  },
  'How secrets are removed from logs and artifacts.',
);

const toleration = object(
  {
    key: optional(text('Taint key.')),
    operator: optional(text('Exists or Equal.')),
    value: optional(text('Taint value.')),
    effect: optional(text('NoSchedule, PreferNoSchedule or NoExecute.')),
    tolerationSeconds: optional(integer('How long NoExecute is tolerated.', { format: 'int64' })),
  },
  'A taint the pod tolerates.',
);

export const decorationConfigSchema = object(
  {
    timeout: optional(signedDuration('How long the test may run before it is interrupted.')),
    grace_period: optional(signedDuration('How long an interrupted test may take to stop.')),
    utility_images: optional(utilityImages),
    resources: optional(
      object(
        {
          clonerefs: optional(resourceRequirements('clonerefs')),
          initupload: optional(resourceRequirements('initupload')),
          place_entrypoint: optional(resourceRequirements('place-entrypoint')),
          sidecar: optional(resourceRequirements('sidecar')),
        },
        'Resources of the helper containers.',
      ),
    ),
    gcs_configuration: optional(gcsConfiguration),
    gcs_credentials_secret: optional(text('Secret with credentials for Google Cloud Storage.')),
    s3_credentials_secret: optional(text('Secret with credentials for S3.')),
    default_service_account_name: optional(text('Service account for pods whose spec names none.')),
    ssh_key_secrets: optional(list(text('Name of a Secret.'), 'Secrets with SSH keys for cloning.')),
    ssh_host_fingerprints: optional(list(text('A known_hosts line.'), 'SSH hosts that are trusted.')),
    oauth_token_secret: optional(secretKey('Secret with a token for cloning over HTTPS.')),
    github_api_endpoints: optional(list(text('A URL.'), 'GitHub API addresses for app tokens.')),
    github_app_id: optional(text('GitHub App that clones.')),
    github_app_private_key_secret: optional(secretKey('Secret with the private key of the GitHub App.')),
    cookiefile_secret: optional(text('Secret with a git cookie file: name or name/key.')),
    blobless_fetch: optional(flag('Fetch without blobs, for refs and extra_refs that do not say.')),
    sparse_checkout_files: optional(list(text('A path.'), 'Check out only these paths of the main repository.')),
    skip_cloning: optional(flag('Clone nothing.')),
    censor_secrets: optional(flag('Remove secrets from logs and artifacts.')),
    censoring_options: optional(censoringOptions),
    upload_ignores_interrupts: optional(flag('Wait for the test even when the pod is asked to stop.')),
    set_limit_equals_memory_request: optional(flag('Set the memory limit of test containers to their request.')),
    default_memory_request: optional(quantity('Memory request of test containers that have none.')),
    scheduling_options: optional(
      object(
        {
          affinity: optional(openObject('Affinity for pods whose spec has none.')),
          tolerations: optional(list(toleration, 'Tolerations for pods whose spec has none.')),
        },
        'Where the pod may be scheduled.',
      ),
    ),
    pod_pending_timeout: optional(signedDuration('How long a scheduled pod may take to start.')),
    pod_running_timeout: optional(signedDuration('How long a pod may run.')),
    pod_unscheduled_timeout: optional(signedDuration('How long a pod may wait for a node.')),
    run_as_user: optional(integer('User id of the pod.', { format: 'int64' })),
    run_as_group: optional(integer('Group id of the pod.', { format: 'int64' })),
    fs_group: optional(integer('Group id that owns the volumes of the pod.', { format: 'int64' })),
  },
  'Decoration of the pod: cloning, logs, upload. Absent: the pod runs as it is written.',
);

export type DecorationConfig = Immutable<Static<typeof decorationConfigSchema>>;
