// One pane: a canvas for the picture, drawn at voxel size and scaled by the spacing, and one over it for lines and text.

import { GREY } from "./colors.js";
import { PLANES } from "./planes.js";

/** How much of a pane the patient fills before zooming; the letters stand beside. */
const FILLED = 0.92;

export class Pane {
  /** @param planeName axial, coronal, sagittal, or "" for the projection */
  constructor(planeName, image) {
    this.planeName = planeName;
    this.plane = PLANES[planeName] || null;
    this.image = image;
    this.name = planeName ? `${planeName}-${image}` : image;
    this.element = document.createElement("div");
    this.element.className = "pane";
    this.element.tabIndex = 0;
    this.element.dataset.testid = `pane-${this.name}`;
    this.element.setAttribute("role", "img");
    this.picture = this.addCanvas("picture", { alpha: false });
    this.overlay = this.addCanvas("overlay", {});
    this.voxels = document.createElement("canvas");
    this.image32 = null;
    this.drawn = "";
    this.width = this.height = this.ratio = 0;
    this.frame = { scale: 1, left: 0, top: 0, columnMm: 1, rowMm: 1, columns: 1, rows: 1 };
  }

  addCanvas(role, options) {
    const canvas = document.createElement("canvas");
    canvas.className = role;
    this.element.append(canvas);
    return { canvas, context: canvas.getContext("2d", options) };
  }

  /** Takes the size that the page gives the pane; true if it changed. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const ratio = window.devicePixelRatio || 1;
    if (width === this.width && height === this.height && ratio === this.ratio) return;
    Object.assign(this, { width, height, ratio, drawn: "" });
    for (const { canvas } of [this.picture, this.overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
  }

  /** Pixels a millimetre at which a picture of `across` x `down` mm fills the pane. */
  fit(across, down) {
    return FILLED * Math.min(this.width / across, this.height / down);
  }

  /** Puts a picture of columns x rows so that its point (column, row) is in the middle of the pane. */
  place(scale, columns, rows, columnMm, rowMm, column, row) {
    const left = this.width / 2 - column * columnMm * scale;
    const top = this.height / 2 - row * rowMm * scale;
    this.frame = { scale, left, top, columnMm, rowMm, columns, rows };
  }

  /** The screen position, in pixels of the page from the pane's corner, of a point of the picture. */
  toScreen(column, row) {
    const { scale, left, top, columnMm, rowMm } = this.frame;
    return [left + column * columnMm * scale, top + row * rowMm * scale];
  }

  toPicture(x, y) {
    const { scale, left, top, columnMm, rowMm } = this.frame;
    return [(x - left) / (columnMm * scale), (y - top) / (rowMm * scale)];
  }

  /** The screen position of a voxel's centre. */
  voxelToScreen(voxel, shape) {
    const { column, row } = this.plane;
    return this.toScreen(shape[column] - 0.5 - voxel[column], shape[row] - 0.5 - voxel[row]);
  }

  /** The voxel under a screen position; the coordinate across the plane is that of `through`. */
  screenToVoxel(x, y, shape, through) {
    const { column, row } = this.plane;
    const [c, r] = this.toPicture(x, y);
    const voxel = [...through];
    voxel[column] = shape[column] - 0.5 - c;
    voxel[row] = shape[row] - 0.5 - r;
    return voxel;
  }

  /** Draws what `paint` fills a Uint32Array with, unless `key` says that it is on the screen already. */
  draw(key, paint, background, smooth) {
    const { scale, left, top, columnMm, rowMm, columns, rows } = this.frame;
    const whole = `${key} ${scale} ${left} ${top} ${background} ${smooth}`;
    if (whole === this.drawn) return;
    this.drawn = whole;
    if (this.voxels.width !== columns || this.voxels.height !== rows || !this.image32) {
      this.voxels.width = columns;
      this.voxels.height = rows;
      this.voxelContext = this.voxels.getContext("2d", { alpha: false });
      this.imageData = this.voxelContext.createImageData(columns, rows);
      this.image32 = new Uint32Array(this.imageData.data.buffer);
      this.painted = "";
    }
    if (this.painted !== key) {
      paint(this.image32);
      this.voxelContext.putImageData(this.imageData, 0, 0);
      this.painted = key;
    }
    const { context } = this.picture;
    this.clear(background);
    context.imageSmoothingEnabled = smooth;
    context.drawImage(this.voxels, left, top, columns * columnMm * scale, rows * rowMm * scale);
  }

  /** Says what the pane shows to those who do not see it: its label, and where the picture lies. */
  describe(words, { left, right, top, bottom }) {
    const sides = left ? `; left ${left}, right ${right}, top ${top}, bottom ${bottom}` : "";
    this.element.setAttribute("aria-label", words + sides);
    const { frame } = this;
    this.element.dataset.frame = `${frame.left} ${frame.top} ${frame.scale}`;
  }

  /** An empty pane in one colour (packed), before its volumes are there. */
  clear(background) {
    const { context } = this.picture;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const [red, green, blue] = [background & 255, (background >> 8) & 255, (background >> 16) & 255];
    context.fillStyle = `rgb(${red} ${green} ${blue})`;
    context.fillRect(0, 0, this.width, this.height);
  }

  empty() {
    this.drawn = "";
    this.clear(GREY[0]);
  }
}
