/**
 * Where results are kept, as settings and jobs write it: `file:///dir`, `s3://bucket/prefix`, `gs://bucket/prefix`, and in jobs, as upstream
 * has it, a bare bucket name that means Google Cloud Storage.
 */

export type StorageScheme = 'file' | 's3' | 'gs';

export interface StorageLocation {
  readonly scheme: StorageScheme;
  /** The bucket; for file the absolute directory. */
  readonly bucket: string;
  /** Before every object: empty, or segments that end with "/". */
  readonly prefix: string;
}

/** The text is no location; the message says what one looks like. */
export class StorageLocationError extends Error {
  readonly code = 'StorageLocation';
  override readonly name = 'StorageLocationError';
}

const bucketName = /^[a-z0-9A-Z][-._a-zA-Z0-9]{1,221}$/;
const forms = 'file:///DIRECTORY, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX';

/** @throws StorageLocationError */
export function parseStorageLocation(text: string): StorageLocation {
  const found = /^(file|s3|gs):\/\/(.*)$/s.exec(text);
  const scheme = found?.[1] as StorageScheme | undefined;
  const rest = found?.[2] ?? '';
  if (scheme === undefined) throw new StorageLocationError(`must be ${forms}, found ${JSON.stringify(text)}`);
  const segments = rest.split('/').filter((segment) => segment !== '');
  const unsafe = segments.find((segment) => !isSafeSegment(segment));
  if (unsafe !== undefined) throw new StorageLocationError(`must not have a part ${JSON.stringify(unsafe)}, found ${JSON.stringify(text)}`);
  if (scheme === 'file') {
    if (!rest.startsWith('/'))
      throw new StorageLocationError(`must name an absolute directory, file:///DIRECTORY, found ${JSON.stringify(text)}`);
    return { scheme, bucket: `/${segments.join('/')}`, prefix: '' };
  }
  const [bucket = '', ...prefix] = segments;
  if (!bucketName.test(bucket) || rest.startsWith('/')) {
    throw new StorageLocationError(`must name a bucket, ${scheme}://BUCKET/PREFIX, found ${JSON.stringify(text)}`);
  }
  return { scheme, bucket, prefix: prefix.map((segment) => `${segment}/`).join('') };
}

/** As a job names its bucket: a location, or the bare name of a bucket of Google Cloud Storage. @throws StorageLocationError */
export const parseBucket = (text: string): StorageLocation => parseStorageLocation(text.includes('://') ? text : `gs://${text}`);

/** `s3://bucket`, without the prefix. */
export const bucketUrl = ({ scheme, bucket }: StorageLocation): string => `${scheme}://${bucket}`;

/** A path made of such segments stays below where it begins. */
export const isSafeSegment = (segment: string): boolean =>
  segment !== '' && segment !== '.' && segment !== '..' && !/[/\\\p{Cc}]/u.test(segment);
