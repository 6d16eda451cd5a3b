/**
 * Waiting runs in the order in which they start, with the place of each. Kept in short sorted pieces, so that adding, removing and asking
 * for a place cost some microseconds with a hundred thousand of them, and the first is there at once.
 */
import { compareRank, type StartRank } from '../../operator/jobs/startOrder.ts';

/** A piece that grows beyond this is cut in two. */
const mostInPiece = 512;

/** No two items have the same uid. */
export class RankedList<T extends StartRank> {
  /** None is empty. */
  readonly #pieces: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#pieces[0]?.[0];
  }

  add(item: T): void {
    const index = Math.min(this.#pieceOf(item), Math.max(0, this.#pieces.length - 1));
    const piece = this.#pieces[index];
    this.#size += 1;
    if (piece === undefined) {
      this.#pieces.push([item]);
      return;
    }
    piece.splice(placeIn(piece, item), 0, item);
    if (piece.length > mostInPiece) this.#pieces.splice(index + 1, 0, piece.splice(mostInPiece / 2));
  }

  /** Does nothing for an item that is not there. */
  delete(item: T): void {
    const index = this.#pieceOf(item);
    const piece = this.#pieces[index];
    const at = piece === undefined ? 0 : placeIn(piece, item);
    if (piece?.[at]?.uid !== item.uid) return;
    piece.splice(at, 1);
    this.#size -= 1;
    if (piece.length === 0) this.#pieces.splice(index, 1);
  }

  /** How many start before this item, which need not be in the list. */
  before(item: StartRank): number {
    const index = this.#pieceOf(item);
    let count = 0;
    for (let each = 0; each < index; each += 1) count += this.#pieces[each]?.length ?? 0;
    const piece = this.#pieces[index];
    return piece === undefined ? count : count + placeIn(piece, item);
  }

  /** The first piece whose last item does not start before this one; one past the end when there is none. */
  #pieceOf(item: StartRank): number {
    let [low, high] = [0, this.#pieces.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = this.#pieces[middle]?.at(-1);
      if (last !== undefined && compareRank(last, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** How many of a sorted piece start before the item. */
function placeIn(piece: readonly StartRank[], item: StartRank): number {
  let [low, high] = [0, piece.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = piece[middle];
    if (other !== undefined && compareRank(other, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
