// The panes on the screen: which there are, what each shows, and drawing them at most once a frame.

import { GREY, luma } from "./colors.js";
import { paneRows } from "./layout.js";
import { drawOverlay, paneSides } from "./overlay.js";
import { Pane } from "./pane.js";
import { listenToPointer } from "./pointer.js";

const MOST_ZOOM = 20;
const LEAST_ZOOM = 0.5;

/** The name that the benchmark and the tests wait for. */
const DRAWN = "station-draw";

/** One colour bar serves all panes of an image that stand side by side. */
function lastOfItsImage(pane, place, row) {
  return !row.slice(place + 1).some(({ image }) => image === pane.image);
}

export class Stage {
  constructor(root, station) {
    this.station = station;
    this.container = root.querySelector(".panes");
    this.known = new Map();
    this.panes = [];
    this.active = null;
    this.frame = 0;
    this.resized = true;
    this.observer = new ResizeObserver(() => {
      this.resized = true;
      this.invalidate();
    });
    this.observer.observe(this.container);
  }

  /** Puts up the panes that the look asks for. */
  arrange() {
    const { look, scene } = this.station;
    const rows = paneRows(look, scene.shape);
    const key = JSON.stringify(rows);
    if (key === this.arranged) return;
    this.arranged = key;
    const widest = Math.max(...rows.map((row) => row.length));
    this.container.style.gridTemplateColumns = `repeat(${widest}, minmax(0, 1fr))`;
    this.container.style.gridTemplateRows = `repeat(${rows.length}, minmax(0, 1fr))`;
    this.panes = rows.flat().map((name) => this.pane(name));
    for (const pane of this.panes) pane.element.style.gridArea = pane.plane ? "" : `1 / ${widest} / span ${rows.length} / auto`;
    this.lastOfFirstRow = this.pane(rows[0][rows[0].length - 1]);
    this.barred = new Set(rows.map((row) => row.map((name) => this.pane(name))).flatMap((row) => row.filter(lastOfItsImage)));
    this.container.replaceChildren(...this.panes.map(({ element }) => element));
    this.container.classList.toggle("single", this.panes.length === 1);
    if (!this.panes.includes(this.active)) this.activate(this.panes.find(({ image }) => image === "fused") || this.panes[0]);
    this.resized = true;
  }

  pane(name) {
    if (!this.known.has(name)) {
      const [plane, image] = name === "mip" ? ["", "mip"] : name.split("-");
      const pane = new Pane(plane, image);
      listenToPointer(pane, this.station);
      this.known.set(name, pane);
    }
    return this.known.get(name);
  }

  activate(pane) {
    if (this.active === pane) return;
    if (this.active) this.active.element.classList.remove("active");
    this.active = pane;
    pane.element.classList.add("active");
    this.invalidate();
  }

  invalidate() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Draws now what has changed. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { station } = this;
    if (!station.scene) return;
    this.arrange();
    if (this.resized) for (const pane of this.panes) pane.measure();
    this.resized = false;
    const scale = this.scale();
    for (const pane of this.panes) {
      if (!pane.width || !pane.height) continue;
      if (pane.plane) this.drawPlane(pane, scale);
      else this.drawProjection(pane);
      drawOverlay(pane, station, {
        patient: pane === this.panes[0] || station.recording,
        series: pane === this.lastOfFirstRow || station.recording,
        bar: this.barred.has(pane) || station.recording,
      });
    }
    station.controls.afterDraw();
    performance.clearMarks(DRAWN);
    performance.mark(DRAWN);
  }

  /** Pixels a millimetre, the same in all planes, so that an organ has one size. */
  scale() {
    const { box, scene } = this.station;
    const size = (axis) => (box[axis][1] - box[axis][0] + 1) * scene.spacing[axis];
    const fits = this.panes.filter(({ plane }) => plane).map((pane) => pane.fit(size(pane.plane.column), size(pane.plane.row)));
    return Math.min(...fits) * this.station.look.zoom;
  }

  /** The voxel in the middle of the panes. */
  center() {
    return this.station.look.center || this.station.box.map(([first, last]) => (first + last) / 2);
  }

  drawPlane(pane, scale) {
    const { look, pictures, scene } = this.station;
    const { shape, spacing } = scene;
    const { column, row } = pane.plane;
    const center = this.center();
    pane.place(
      scale, shape[column], shape[row], spacing[column], spacing[row],
      shape[column] - 0.5 - center[column], shape[row] - 0.5 - center[row],
    );
    const slice = this.station.slice(pane.planeName);
    pane.describe(`${pane.plane.name} ${this.station.imageName(pane.image)}, slice ${slice + 1} of ${shape[pane.plane.axis]}`, paneSides(pane, this.station));
    if (!pictures.ready(pane.image, look)) pane.empty();
    else {
      const paint = (out) => pictures.paint(out, pane.image, pane.planeName, slice, look);
      pane.draw(pictures.key(pane.image, slice, look), paint, this.background(pane), look.smooth);
    }
  }

  drawProjection(pane) {
    const { box, look, pictures, projections, scene } = this.station;
    if (!projections) {
      pane.empty();
      return;
    }
    const [column, row] = projections.place(look.mipAngle, this.center());
    const [across, ahead, up] = box.map(([first, last], i) => (last - first + 1) * scene.spacing[i]);
    const scale = pane.fit(Math.max(across, ahead), up) * look.zoom;
    pane.place(scale, projections.columns, projections.rows, projections.step, projections.rowSpacing, column, row);
    pane.describe(`Maximum intensity projection, ${projections.degrees(look.mipAngle)} degrees`, paneSides(pane, this.station));
    const colors = pictures.palette(look.functionalPalette).packed;
    const table = pictures.windowTables.mip;
    const paint = (out) => {
      const values = projections.at(look.mipAngle);
      for (let i = 0; i < out.length; i++) out[i] = colors[table[values[i]]];
    };
    pane.draw(`mip ${look.mipAngle} ${look.functionalPalette} ${pictures.version}`, paint, colors[0], look.smooth);
  }

  /** The colour (packed) around a picture: what the picture itself has where there is nothing. */
  background(pane) {
    const { look, pictures } = this.station;
    if (pane.image === "mri") return GREY[0];
    if (pane.image !== "fused") return pictures.palette(look.functionalPalette).packed[0];
    if (look.mode === "difference") return GREY[128];
    return look.mode === "edges" || look.mode === "registration" ? pictures.palette(look.palette).packed[0] : GREY[0];
  }

  isLight(pane) {
    return luma(this.background(pane)) > 160;
  }

  /** Zooms around the point of a pane that is given in its pixels, or around the middle. */
  zoomBy(factor, pane, at) {
    const { look, scene } = this.station;
    const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, look.zoom * factor));
    if (pane && pane.plane && at) {
      const under = pane.screenToVoxel(at[0], at[1], scene.shape, this.center());
      look.center = this.center().map((value, i) => under[i] + ((value - under[i]) * look.zoom) / zoom);
    }
    look.zoom = zoom;
  }

  pan(pane, dx, dy) {
    const { look, scene } = this.station;
    const center = [...this.center()];
    const { scale } = pane.frame;
    const [column, row] = pane.plane ? [pane.plane.column, pane.plane.row] : [-1, 2];
    if (column >= 0) center[column] += dx / (scale * scene.spacing[column]);
    center[row] += dy / (scale * scene.spacing[row]);
    look.center = center.map((value, i) => Math.min(scene.shape[i] - 1, Math.max(0, value)));
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }
}
