/** The version of this program, from package.json: the one place where it is written. */
import packageJson from '../package.json' with { type: 'json' };

export const { version } = packageJson;
