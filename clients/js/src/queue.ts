/** A bounded queue that is read with `for await`; the oldest goes first when it is full. */
export class Queue<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  #readers: ((result: IteratorResult<T>) => void)[] = [];
  #closed = false;

  /**
   * @param capacity - how many may wait: 1 = only ever the newest.
   * @param onReturn - called when the reader leaves its loop.
   */
  constructor(
    private readonly capacity: number,
    private readonly onReturn: () => void = () => undefined,
  ) {}

  push(item: T): void {
    if (this.#closed) return;
    const reader = this.#readers.shift();
    if (reader) return reader({ value: item, done: false });
    this.#items.push(item);
    if (this.#items.length > this.capacity) this.#items.shift();
  }

  /** Ends the loop of the reader once it has what waits. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.#closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.close();
    this.onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
