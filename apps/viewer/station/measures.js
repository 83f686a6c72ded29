// ROIs and distances, in RAS millimetres, with undo and redo. Their numbers come from the server, out of the sources' own voxels.

import { distance } from "./planes.js";

const SAME = 1e-6;

export class Measures {
  constructor() {
    this.rois = [];
    this.distances = [];
    this.past = [];
    this.future = [];
    this.selected = null;
  }

  /** Keeps a state so that what follows, or followed, can be undone. */
  remember(snapshot = this.snapshot()) {
    this.past.push(snapshot);
    this.future = [];
  }

  snapshot() {
    return JSON.stringify({ rois: this.rois, distances: this.distances });
  }

  undo() {
    this.exchange(this.past, this.future);
  }

  redo() {
    this.exchange(this.future, this.past);
  }

  exchange(from, to) {
    if (!from.length) return;
    to.push(this.snapshot());
    Object.assign(this, JSON.parse(from.pop()));
    if (!this.find(this.selected)) this.selected = null;
  }

  restore(rois, distances) {
    this.remember();
    if (rois) this.rois = rois.map(({ id, kind, center, radius, plane }) => ({ id, kind, center, radius, plane }));
    if (distances) this.distances = distances.map(({ id, from, to, plane }) => ({ id, from, to, plane }));
    this.selected = null;
  }

  find(id) {
    return this.rois.find((roi) => roi.id === id) || this.distances.find((line) => line.id === id) || null;
  }

  addRoi(kind, center, radius, plane) {
    this.remember();
    const roi = { id: this.nextId("R", this.rois), kind, center, radius, plane };
    this.rois.push(roi);
    this.selected = roi.id;
    return roi;
  }

  addDistance(from, to, plane) {
    this.remember();
    const line = { id: this.nextId("D", this.distances), from, to, plane };
    this.distances.push(line);
    this.selected = line.id;
    return line;
  }

  nextId(letter, kept) {
    return letter + (1 + Math.max(0, ...kept.map(({ id }) => Number(id.slice(1)) || 0)));
  }

  remove(id) {
    if (!this.find(id)) return;
    this.remember();
    this.rois = this.rois.filter((roi) => roi.id !== id);
    this.distances = this.distances.filter((line) => line.id !== id);
    this.selected = null;
  }
}

/** The server's numbers for a ROI, or null while it has none for the ROI as it now is. */
export function numbersOf(roi, scene) {
  const answered = (scene.rois || []).find(({ id }) => id === roi.id);
  if (!answered || !answered.numbers || answered.kind !== roi.kind) return null;
  const moved = distance(answered.center, roi.center) > SAME || Math.abs(answered.radius - roi.radius) > SAME;
  return moved ? null : answered.numbers;
}
