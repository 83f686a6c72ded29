// What the server hears: the state, a moment after it has come to rest, and only what has changed.

const DEBOUNCE = 250; // ms

export class Reporter {
  constructor() {
    this.sent = {};
    this.timer = 0;
    this.send = () => {};
  }

  /** Takes a state that the server knows already. */
  know(state) {
    for (const [name, value] of Object.entries(state)) this.sent[name] = JSON.stringify(value);
  }

  /** @param current gives the state when the time has come */
  later(current) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(current()), DEBOUNCE);
  }

  now(state) {
    clearTimeout(this.timer);
    for (const [name, value] of Object.entries(state)) {
      const text = JSON.stringify(value);
      if (text === this.sent[name]) continue;
      this.sent[name] = text;
      this.send(name, value);
    }
  }

  destroy() {
    clearTimeout(this.timer);
  }
}
