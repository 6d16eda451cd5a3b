/**
 * @peculiar/x509 registers its algorithms with tsyringe, which refuses to load unless a decorator-metadata polyfill is there. Nothing it
 * registers takes constructor parameters, so the answer to every question is "none": these two functions are the whole polyfill.
 * Import this file before @peculiar/x509.
 */
const reflect = Reflect as { getMetadata?: () => undefined; getOwnMetadata?: () => undefined };
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;

export {};
