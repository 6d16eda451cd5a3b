/** Does something n times, so many at once. The first failure ends it. */
export async function inParallel(n: number, work: (index: number) => Promise<unknown>, lanes = 32): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < n) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, n) }, lane));
}
