// Lines and text over a picture: letters of the sides, crosshair, scale bar, colour bar, corners.

import { formatValue } from "./colors.js";
import { MODES, PAIRS, splitColumn } from "./pictures.js";
import { PLANES, columnOf, sidesOf, slicePosition } from "./planes.js";
import { drawMeasures } from "./measure-marks.js";
import { BAR, EDGE, MARGIN, Pen } from "./pen.js";

const GAP = 9; // half the crosshair's gap, pixels
const AMBER = "#ffb340";

/** The sources of a comparison in which colour stands for uptake. */
const COLOURED = new Set(["functional", "network", "alpha"]);

/**
 * @param station its scene, look, pictures, crosshair, measures and names
 * @param corners which of the view's furniture this pane carries: {patient, series, bar}
 */
export function drawOverlay(pane, station, corners) {
  const { look } = station;
  const pen = new Pen(pane, station.isLight(pane), station.accent);
  if (look.mode === "swipe" && pane.image === "fused" && pane.plane) drawSplit(pen, pane, station);
  if (!look.overlays) return;
  const bar = corners.bar ? colorBar(pen, pane, station) : null;
  drawSides(pen, pane, station, bar);
  drawCrosshair(pen, pane, station, pen.width - EDGE - (bar ? BAR : 0));
  if (pane.plane) drawMeasures(pen, pane, station, (top, bottom) => endOfWords(pen, bar, top, bottom));
  if (!station.scene.picture) drawScale(pen, pane);
  if (bar) drawBar(pen, bar);
  drawCorners(pen, pane, station, corners);
}

function drawSides(pen, pane, station, bar) {
  const sides = paneSides(pane, station);
  const style = { align: "center", weight: 600, size: pen.size + 3 };
  const middle = pen.height / 2 + 5;
  pen.text(sides.left, MARGIN + 8, middle, style);
  pen.text(sides.right, pen.width - MARGIN - 8 - (bar ? BAR : 0), middle, style);
  pen.text(sides.top, pen.width / 2, MARGIN + 13, style);
  pen.text(sides.bottom, pen.width / 2, pen.height - MARGIN - 2, style);
}

/** The sides of the patient at the left, right, top and bottom of a pane. */
export function paneSides(pane, { scene, look, projections }) {
  const { affine } = scene;
  if (scene.picture) return { left: "", right: "", top: "", bottom: "" }; // nobody says which side is which
  if (pane.plane) return sidesOf(columnOf(affine, pane.plane.column), columnOf(affine, pane.plane.row));
  const [x, y] = projections ? projections.direction(look.mipAngle) : [-1, 0];
  const [right, front] = [columnOf(affine, 0), columnOf(affine, 1)];
  const lengths = [Math.hypot(...right), Math.hypot(...front)];
  const left = right.map((value, i) => -(x * value) / lengths[0] - (y * front[i]) / lengths[1]);
  return sidesOf(left, columnOf(affine, 2));
}

function drawCrosshair(pen, pane, station, end) {
  if (pane.plane) {
    const [x, y] = pane.voxelToScreen(station.crosshair, station.scene.shape);
    const across = Object.values(PLANES).find((plane) => plane.axis === pane.plane.row).color;
    const down = Object.values(PLANES).find((plane) => plane.axis === pane.plane.column).color;
    pen.context.globalAlpha = 0.8;
    pen.stroke(EDGE, y, x - GAP, y, across);
    pen.stroke(x + GAP, y, end, y, across);
    pen.stroke(x, EDGE, x, y - GAP, down);
    pen.stroke(x, y + GAP, x, pen.height - EDGE, down);
    pen.context.globalAlpha = 1;
  } else if (station.projections) {
    const [x, y] = pane.toScreen(...station.projections.place(station.look.mipAngle, station.crosshair));
    pen.context.globalAlpha = 0.8;
    pen.stroke(EDGE, y, x - GAP, y, PLANES.axial.color);
    pen.stroke(x + GAP, y, end, y, PLANES.axial.color);
    pen.context.globalAlpha = 1;
  }
}

function drawSplit(pen, pane, station) {
  const columns = station.scene.shape[pane.plane.column];
  const [x] = pane.toScreen(splitColumn(station.look.split, columns), 0);
  pen.stroke(x, 0, x, pen.height, pen.accent, 2);
  const middle = pen.height * 0.75;
  pen.context.fillStyle = pen.accent;
  pen.context.beginPath();
  pen.context.roundRect(x - 5, middle - 14, 10, 28, 5);
  pen.context.fill();
  const [first, second] = station.look.pairs.swipe.map((source) => station.sourceName(source));
  const y = pen.height * 0.75 + 32;
  pen.text(first, x - 8, y, { align: "right" });
  pen.text(second, x + 8, y);
}

/** A bar of a round length in mm, at most a third of the pane. */
function drawScale(pen, pane) {
  const { scale } = pane.frame;
  const length = [200, 100, 50, 20, 10, 5, 2, 1].find((mm) => mm * scale <= pen.width / 3);
  if (!length) return;
  const left = MARGIN + 1;
  const right = left + length * scale;
  const y = pen.height - MARGIN - (pane.plane ? 2 * pen.line : 0) - 4;
  for (const [color, width] of [[pen.halo, 4], [pen.ink, 2]]) {
    pen.context.strokeStyle = color;
    pen.context.lineWidth = width;
    pen.context.beginPath();
    pen.context.moveTo(left, y - 5);
    pen.context.lineTo(left, y);
    pen.context.lineTo(right, y);
    pen.context.lineTo(right, y - 5);
    pen.context.stroke();
  }
  pen.text(`${length} mm`, right + 7, y + 1, { size: pen.size - 1 });
}

/** Where words between two heights must end, so that they leave letter and colour bar alone. */
function endOfWords(pen, bar, top, bottom) {
  const beside = bar && bottom > bar.from - 2 * pen.line - 4 && top < bar.from + bar.height + pen.line + 4;
  return beside ? bar.left - 6 : pen.width - EDGE;
}

/** What the colours of a pane stand for: {colors (packed), top, bottom, unit}, and where it is: {from, height, left}; or null. */
function colorBar(pen, pane, station) {
  const bar = barColors(pane, station);
  if (!bar) return null;
  const widest = Math.max(...[bar.top, bar.bottom, bar.unit].map((words) => pen.measure(words, false)));
  const height = Math.round(Math.min(pen.height * 0.42, 220));
  const left = pen.width - MARGIN - Math.max(widest, BAR); // of its words, which are wider than itself
  return { ...bar, from: Math.round((pen.height - height) / 2), height, left };
}

function barColors(pane, station) {
  const { pictures, scene } = station;
  const { mode, palette, functionalPalette } = station.look;
  const uptake = (name) => ({
    colors: pictures.palette(name).packed,
    top: formatValue(station.functionalWindow(pane)[1]),
    bottom: formatValue(station.functionalWindow(pane)[0]),
    unit: scene.volumes.functional.unit,
  });
  if (pane.image === "mri") return null;
  if (pane.image !== "fused") return uptake(functionalPalette);
  if (mode === "network_grey") return null;
  const grey = pictures.palette("grey").packed;
  if (mode === "difference") return { colors: grey, top: "+100", bottom: "−100", unit: "%" };
  if (mode === "attribution") {
    return { colors: station.attributionColors, top: "100", bottom: "0", unit: `% ${station.names.functional}` };
  }
  return mode in PAIRS && !station.look.pairs[mode].some((source) => COLOURED.has(source)) ? null : uptake(palette);
}

function drawBar(pen, { colors, top, bottom, unit, from, height }) {
  const x = pen.width - MARGIN - 10;
  const { context } = pen;
  const gradient = context.createLinearGradient(0, from + height, 0, from);
  for (let i = 0; i <= 32; i++) {
    const color = colors[Math.min(255, i * 8)];
    gradient.addColorStop(i / 32, `rgb(${color & 255} ${(color >> 8) & 255} ${(color >> 16) & 255})`);
  }
  context.fillStyle = gradient;
  context.fillRect(x, from, 10, height);
  context.strokeStyle = pen.ink;
  context.lineWidth = 1;
  context.strokeRect(x - 0.5, from - 0.5, 11, height + 1);
  const style = { align: "right", size: pen.size - 1 };
  pen.text(top, x + 10, from - 6, style);
  pen.text(bottom, x + 10, from + height + pen.size + 3, style);
  pen.text(unit, x + 10, from - 6 - pen.size - 2, style);
}

function drawCorners(pen, pane, station, corners) {
  drawTitle(pen, pane, station, corners.patient && !pen.small ? station.scene.banner.patient : []);
  if (corners.series && !pen.small) drawSeries(pen, station.scene);
  const { scene, crosshair } = station;
  const bottom = pen.height - MARGIN;
  if (pane.plane && !scene.picture) {
    const slice = station.slice(pane.planeName);
    const where = slicePosition(scene.affine, pane.plane, crosshair.map((value, i) => (i === pane.plane.axis ? slice : value)));
    const { zoom } = station.look;
    pen.text(`${slice + 1} / ${scene.shape[pane.plane.axis]}`, MARGIN, bottom - pen.line);
    pen.text(zoom === 1 ? where : `${where}   ×${zoom.toFixed(2)}`, MARGIN, bottom);
  }
  windowTexts(pane, station).forEach((line, i) => pen.text(line, pen.width - MARGIN, bottom - i * pen.line, { align: "right" }));
}

/** Top left: plane and image, on one line where they leave room for the letter, and the patient. */
function drawTitle(pen, pane, station, patient) {
  const { look, names, projections, scene } = station;
  const half = pen.width / 2 - EDGE;
  const first = scene.picture ? "Picture" : pane.plane ? pane.plane.name : `MIP ${projections ? projections.degrees(look.mipAngle) : 0}°`;
  const image = pane.plane ? (pane.image === "fused" ? MODES[look.mode] : names[pane.image]) : "";
  const whole = image ? `${first} · ${image}` : first;
  const oneLine = pen.measure(whole, true) <= half - 12;
  let y = MARGIN + pen.size;
  pen.text(oneLine ? whole : first, MARGIN + 12, y, { weight: 600 });
  pen.context.fillStyle = pane.plane ? pane.plane.color : pen.accent;
  pen.context.fillRect(MARGIN, y - pen.size + 3, 6, pen.size - 3);
  const lines = [...(oneLine ? [] : [image]), ...patient].map((line) => [line, pen.ink]);
  if (pane.image === "fused" && look.mode === "registration") {
    lines.unshift(look.before ? ["before registration", AMBER] : ["after registration", pen.ink]);
  }
  for (const [line, color] of lines) pen.text(pen.within(line, half), MARGIN, (y += pen.line), { color });
}

/** Top right: the series, and what was edited by hand. */
function drawSeries(pen, { banner, edited }) {
  let y = MARGIN + pen.size;
  for (const [line, color] of [...banner.series.map((line) => [line, pen.ink]), ...edited.map((line) => [line, AMBER])]) {
    pen.text(pen.within(line, pen.width / 2 - EDGE), pen.width - MARGIN, y, { align: "right", color });
    y += pen.line;
  }
}

/** The windows through which a pane is seen, the lowest line first. */
function windowTexts(pane, station) {
  const { look, names, windows, pictures } = station;
  const needed = pane.plane ? pictures.needs(pane.image, look) : ["functional"];
  const [low, high] = windows.mri;
  const lines = [];
  if (needed.includes("functional") || needed.includes("before")) {
    lines.push(`${names.functional}  ${station.functionalWindow(pane).map(formatValue).join(" – ")}`);
  }
  if (needed.includes("mri")) lines.push(`${names.mri}  W ${formatValue(high - low)}  L ${formatValue((high + low) / 2)}`);
  return lines;
}
