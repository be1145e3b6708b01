import type { LogLevel } from '@purser/plugin-purser-node';

/** Every call of a task's logger is a row in the scaffolder's database and stalls the event loop. */
const MAX_BATCH_MS = 250;
const MAX_BATCH_CHARACTERS = 8 * 1024;

/** Joins lines of one level that come close together into one call of the logger. */
export class LogBatcher {
  readonly #write: (level: LogLevel, text: string) => void;
  #level: LogLevel = 'info';
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(write: (level: LogLevel, text: string) => void) {
    this.#write = write;
  }

  add(level: LogLevel, text: string): void {
    if (
      this.#text &&
      (level !== this.#level || this.#text.length + text.length >= MAX_BATCH_CHARACTERS)
    ) {
      this.flush();
    }
    this.#level = level;
    this.#text = this.#text ? `${this.#text}\n${text}` : text;
    if (this.#text.length >= MAX_BATCH_CHARACTERS) {
      this.flush();
    }
    this.#timer ??= setTimeout(() => this.flush(), MAX_BATCH_MS);
  }

  /** Writes what is waiting; call it at the end. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#text) {
      const text = this.#text;
      this.#text = '';
      this.#write(this.#level, text);
    }
  }
}
