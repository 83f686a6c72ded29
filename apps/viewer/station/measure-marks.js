// How ROIs and distances look in a pane, and where they can be taken hold of.

import { formatValue } from "./colors.js";
import { numbersOf } from "./measures.js";
import { distance, toVoxel } from "./planes.js";

const NEAR = 7; // pixels

/** A ROI as a pane shows it: {x, y, radius} in pixels and whether its centre lies in the slice; null if the slice misses it. */
export function roiCircle(roi, pane, station) {
  const { axis } = pane.plane;
  const voxel = toVoxel(station.inverse, roi.center);
  const off = Math.abs(voxel[axis] - station.slice(pane.planeName)) * station.scene.spacing[axis];
  const centred = off <= station.scene.spacing[axis] / 2;
  if (roi.kind === "circle" ? roi.plane !== pane.planeName || !centred : off >= roi.radius) return null;
  const radius = roi.kind === "circle" ? roi.radius : Math.sqrt(roi.radius ** 2 - off ** 2);
  const [x, y] = pane.voxelToScreen(voxel, station.scene.shape);
  return { x, y, radius: radius * pane.frame.scale, centred };
}

/** A distance as a pane shows it, [x1, y1, x2, y2]; null if it does not lie in the slice. */
export function distanceLine(line, pane, station) {
  const { axis } = pane.plane;
  const ends = [line.from, line.to].map((mm) => toVoxel(station.inverse, mm));
  if (ends.some((voxel) => Math.abs(voxel[axis] - station.slice(pane.planeName)) > 0.51)) return null;
  return ends.flatMap((voxel) => pane.voxelToScreen(voxel, station.scene.shape));
}

/** What lies under the pointer: {roi, part: "centre"|"rim"}, {line, part: "from"|"to"} or null. */
export function markAt(x, y, pane, station) {
  for (const roi of [...station.measures.rois].reverse()) {
    const circle = roiCircle(roi, pane, station);
    if (!circle) continue;
    const away = Math.hypot(x - circle.x, y - circle.y);
    if (Math.abs(away - circle.radius) <= NEAR && (away > NEAR || circle.radius > 2 * NEAR)) return { roi, part: "rim" };
    if (away <= NEAR) return { roi, part: "centre" };
  }
  for (const line of [...station.measures.distances].reverse()) {
    const ends = distanceLine(line, pane, station);
    if (!ends) continue;
    if (Math.hypot(x - ends[0], y - ends[1]) <= NEAR) return { line, part: "from" };
    if (Math.hypot(x - ends[2], y - ends[3]) <= NEAR) return { line, part: "to" };
  }
  return null;
}

/** @param endOf tells where words between two heights must end, in pixels from the left */
export function drawMeasures(pen, pane, station, endOf) {
  const { measures } = station;
  const { accent, context } = pen;
  for (const roi of [...measures.rois, ...(station.draft && station.draft.radius ? [station.draft] : [])]) {
    const circle = roiCircle(roi, pane, station);
    if (!circle) continue;
    const chosen = roi.id === measures.selected;
    for (const [color, width] of [[pen.halo, chosen ? 5 : 3], [accent, chosen ? 2.5 : 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.arc(circle.x, circle.y, circle.radius, 0, 2 * Math.PI);
      context.stroke();
    }
    const words = roi.id && pane === station.activePane && circle.centred && !pen.small ? roiLines(roi, station) : [];
    writeBeside(pen, [roi.id || lengthText(roi.radius, station), ...words], circle.x, circle.y, circle.radius + 6, endOf);
  }
  for (const line of [...measures.distances, ...(station.draft && station.draft.to ? [station.draft] : [])]) {
    const ends = distanceLine(line, pane, station);
    if (!ends) continue;
    const [x1, y1, x2, y2] = ends;
    for (const [color, width] of [[pen.halo, 4], [accent, line.id === measures.selected ? 2.5 : 1.5]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    }
    for (const [x, y] of [[x1, y1], [x2, y2]]) {
      context.fillStyle = accent;
      context.beginPath();
      context.arc(x, y, 3, 0, 2 * Math.PI);
      context.fill();
    }
    const length = lengthText(distance(line.from, line.to), station);
    writeBeside(pen, [line.id ? `${line.id}  ${length}` : length], Math.max(x1, x2), x1 > x2 ? y1 : y2, 6, endOf);
  }
}

/** Lines of text to the right of a mark, or to its left where there is no room; dark behind, so that they can be read on any picture. */
function writeBeside(pen, lines, x, y, away, endOf) {
  const { context } = pen;
  const widths = lines.map((words, i) => pen.measure(words, i === 0));
  const width = Math.max(...widths);
  const top = Math.max(pen.size + 4, Math.min(y - ((lines.length - 1) * pen.line) / 2 + 4, pen.height - 8 - (lines.length - 1) * pen.line));
  const right = x + away + width < endOf(top - pen.size, top + (lines.length - 1) * pen.line);
  const left = right ? x + away : Math.max(4, x - away - width);
  if (lines.length > 1) {
    context.fillStyle = "rgba(10,12,15,0.72)";
    context.beginPath();
    context.roundRect(left - 6, top - pen.size - 5, width + 12, lines.length * pen.line + 8, 4);
    context.fill();
  }
  lines.forEach((words, i) => {
    const color = i === 0 ? pen.accent : "#e6e9ee";
    pen.text(words, left, top + i * pen.line, { color, weight: i === 0 ? 600 : 400 });
  });
}

/** A length: in mm, or in pixels where the images are pictures without a scale. */
export function lengthText(length, { scene }) {
  return `${length.toFixed(1)} ${scene.picture ? "px" : "mm"}`;
}

/** The numbers of a ROI, one line a source. */
export function roiLines(roi, station) {
  const numbers = numbersOf(roi, station.scene);
  if (!numbers) return ["measuring …"];
  const { names } = station;
  const { mri, functional, volume_ml: volume } = numbers;
  const said = (entry) =>
    ["max", "mean", "peak"].filter((key) => Number.isFinite(entry[key])).map((key) => `${key} ${formatValue(entry[key])}`).join("  ");
  const lines = [];
  if (functional) lines.push(`${names.functional}  ${said(functional)}  ${functional.unit || ""}`.trim());
  if (mri) lines.push(`${names.mri}  ${said(mri)}`);
  const size = Number.isFinite(volume) && !station.scene.picture ? `${volume.toFixed(volume >= 10 ? 1 : 2)} ml   ` : "";
  lines.push(`${size}r ${lengthText(roi.radius, station)}`);
  return lines;
}
