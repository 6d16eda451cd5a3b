/** Work that follows a write, in the next turn of the event loop. A failure is logged: it must never end the process or fail the write. */
export type Later = (what: string, work: () => void) => void;

export const runLater =
  (log: (line: string) => void): Later =>
  (what, work) => {
    setImmediate(() => {
      try {
        work();
      } catch (error) {
        log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  };
