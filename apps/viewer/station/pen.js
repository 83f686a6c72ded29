// The pen for text and lines over a picture, and the room at a pane's sides.

const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif';

export const MARGIN = 9; // pixels between text and the pane's border
export const EDGE = 28; // pixels at the sides that belong to the letters
export const BAR = 22; // pixels that a colour bar takes

/** Text and lines in one pane; dark on a light picture. */
export class Pen {
  constructor(pane, light, accent) {
    this.accent = accent;
    this.context = pane.overlay.context;
    this.width = pane.width;
    this.height = pane.height;
    this.small = pane.height < 260 || pane.width < 300;
    this.size = this.small ? 11 : 12;
    this.line = this.size + 4;
    this.ink = light ? "#1a1d21" : "#e6e9ee";
    this.halo = light ? "rgba(255,255,255,0.85)" : "rgba(0,0,0,0.85)";
    this.context.setTransform(pane.ratio, 0, 0, pane.ratio, 0, 0);
    this.context.clearRect(0, 0, pane.width, pane.height);
    this.context.textBaseline = "alphabetic";
    this.context.lineJoin = "round";
  }

  text(words, x, y, { align = "left", color = this.ink, weight = 400, size = this.size } = {}) {
    const { context } = this;
    context.font = `${weight} ${size}px ${FONT}`;
    context.textAlign = align;
    context.strokeStyle = this.halo;
    context.lineWidth = 3;
    context.strokeText(words, x, y);
    context.fillStyle = color;
    context.fillText(words, x, y);
  }

  measure(words, strong) {
    this.context.font = `${strong ? 600 : 400} ${this.size}px ${FONT}`;
    return this.context.measureText(words).width;
  }

  /** Words, cut off where they are wider than `width` pixels. */
  within(words, width, strong = false) {
    if (this.measure(words, strong) <= width) return words;
    let kept = words;
    while (kept && this.measure(`${kept}…`, strong) > width) kept = kept.slice(0, -1);
    return `${kept.trimEnd()}…`;
  }

  /** A straight line on whole pixels, so that it is one pixel wide and sharp. */
  stroke(x1, y1, x2, y2, color, width = 1) {
    const { context } = this;
    const shift = width % 2 ? 0.5 : 0;
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(Math.floor(x1) + shift, Math.floor(y1) + shift);
    context.lineTo(Math.floor(x2) + shift, Math.floor(y2) + shift);
    context.stroke();
  }
}
