/** Waiting for something that a socket or a promise will bring, without sleeping: the condition is asked once per turn of the event loop. */

/** Resolves as soon as the condition holds; rejects after ten seconds, naming what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > 10_000) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
