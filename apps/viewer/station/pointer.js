// The mouse in a pane: what a drag, a wheel and a double click do.

import { splitColumn } from "./pictures.js";
import { markAt } from "./measure-marks.js";
import { distance, toMm } from "./planes.js";

const CLICK = 3; // pixels; a shorter drag is a click
const SHORTEST = 1; // mm; a smaller ROI or distance was a slip
const HANDLE = 7; // pixels
const WHEEL_NOTCH = 40; // pixels of a trackpad that count as one notch

/** Gives a pane its mouse. */
export function listenToPointer(pane, station) {
  const { element } = pane;
  let drag = null;
  let rolled = 0;

  element.addEventListener("pointerdown", (event) => {
    if (!station.ready) return;
    station.activate(pane);
    const [x, y] = position(event, element);
    drag = { x, y, startX: x, startY: y, moved: false, ...begin(event, x, y, pane, station) };
    element.setPointerCapture(event.pointerId);
    drag.move(x, y, 0, 0);
    event.preventDefault(); // the pane needs no focus, and no widget shall keep it
    if (document.activeElement) document.activeElement.blur();
  });
  element.addEventListener("pointermove", (event) => {
    if (!drag) {
      const [x, y] = position(event, element);
      element.style.cursor = station.ready ? cursorAt(x, y, pane, station) : "progress";
      return;
    }
    const [x, y] = position(event, element);
    drag.moved = drag.moved || Math.hypot(x - drag.startX, y - drag.startY) > CLICK;
    drag.move(x, y, x - drag.x, y - drag.y);
    Object.assign(drag, { x, y });
  });
  const end = (event) => {
    if (!drag) return;
    const finished = drag;
    drag = null;
    if (finished.end) finished.end(event.type === "pointercancel", finished.moved);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("pointerenter", () => station.activate(pane));
  element.addEventListener("focus", () => station.activate(pane));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener("dblclick", () => station.look.tool !== "roi" && station.look.tool !== "distance" && station.toggleLarge(pane));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (!station.ready) return;
      station.activate(pane);
      if (event.ctrlKey) {
        station.zoomBy(Math.exp(-event.deltaY * 0.002), pane, position(event, element));
        return;
      }
      rolled = Math.sign(rolled) === Math.sign(event.deltaY) ? rolled + event.deltaY : event.deltaY;
      if (event.deltaMode === 1 || Math.abs(event.deltaY) >= WHEEL_NOTCH) rolled = Math.sign(event.deltaY) * WHEEL_NOTCH;
      const notches = Math.trunc(rolled / WHEEL_NOTCH);
      if (!notches) return;
      rolled -= notches * WHEEL_NOTCH;
      station.step(-notches);
    },
    { passive: false },
  );
}

function position(event, element) {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** What a drag that starts here does: {move(x, y, dx, dy), end(cancelled, moved)}. */
function begin(event, x, y, pane, station) {
  const { tool } = station.look;
  if (event.button === 1 || (event.button === 0 && event.shiftKey)) return panning(pane, station);
  if (event.button === 2) return windowing(pane, station);
  if (onSplit(x, pane, station)) return splitting(pane, station);
  if (!pane.plane) return turning(x, y, pane, station);
  const mark = markAt(x, y, pane, station);
  if (mark) return holding(mark, pane, station);
  if (tool === "window") return windowing(pane, station);
  if (tool === "pan") return panning(pane, station);
  if (tool === "roi") return drawingRoi(x, y, pane, station);
  if (tool === "distance") return drawingDistance(x, y, pane, station);
  return { move: (nowX, nowY) => station.moveCrosshair(inside(nowX, nowY, pane, station)) };
}

function cursorAt(x, y, pane, station) {
  const { tool } = station.look;
  if (onSplit(x, pane, station)) return "ew-resize";
  if (!pane.plane) return "grab";
  const mark = markAt(x, y, pane, station);
  if (mark) return mark.part === "rim" ? "nwse-resize" : "move";
  return { pan: "grab", window: "ns-resize" }[tool] || "crosshair";
}

/** The voxel under the pointer, on the slice that is shown, kept within the volume. */
function inside(x, y, pane, station) {
  const { shape } = station.scene;
  const through = station.crosshair.map((value, i) => (i === pane.plane.axis ? station.slice(pane.planeName) : value));
  return pane.screenToVoxel(x, y, shape, through).map((value, i) => Math.min(shape[i] - 1, Math.max(0, value)));
}

function onSplit(x, pane, station) {
  if (!pane.plane || pane.image !== "fused" || station.look.mode !== "swipe") return false;
  const [at] = pane.toScreen(splitColumn(station.look.split, station.scene.shape[pane.plane.column]), 0);
  return Math.abs(x - at) <= HANDLE;
}

function splitting(pane, station) {
  return {
    move: (x) => station.setLook({ split: Math.min(1, Math.max(0, pane.toPicture(x, 0)[0] / pane.frame.columns)) }),
  };
}

function panning(pane, station) {
  return { move: (x, y, dx, dy) => station.pan(pane, dx, dy) };
}

/** MRI: across changes the width, up and down the level. Functional: up and down change the top, the bottom stays. */
function windowing(pane, station) {
  return {
    move: (x, y, dx, dy) => {
      if (!dx && !dy) return;
      if (station.windowOf(pane) === "mri") {
        const automatic = station.scene.volumes.mri;
        const unit = (automatic.high - automatic.low) / 400;
        const [low, high] = station.windows.mri;
        const width = Math.max(unit, high - low + dx * unit);
        const level = (high + low) / 2 + dy * unit;
        station.setWindow("mri", [level - width / 2, level + width / 2]);
      } else {
        const [low, high] = station.functionalWindow(pane);
        station.setWindow("functional", [low, low + (high - low) * Math.exp(dy * 0.006)]);
      }
    },
  };
}

function turning(x, y, pane, station) {
  let turned = 0;
  return {
    move: (nowX, nowY, dx) => {
      turned += dx;
      const steps = Math.trunc(turned / 12);
      turned -= steps * 12;
      if (steps) station.turn(-steps);
    },
    end: (cancelled, moved) => {
      if (!cancelled && !moved) station.goToBrightest(pane, x, y);
    },
  };
}

function drawingRoi(x, y, pane, station) {
  const center = toMm(station.scene.affine, inside(x, y, pane, station));
  return {
    move: (nowX, nowY) => {
      const radius = Math.hypot(nowX - x, nowY - y) / pane.frame.scale;
      station.setDraft({ kind: station.look.roiKind, center, radius, plane: pane.planeName });
    },
    end: (cancelled) => station.keepDraft(!cancelled && station.draft.radius >= SHORTEST),
  };
}

function drawingDistance(x, y, pane, station) {
  const from = toMm(station.scene.affine, inside(x, y, pane, station));
  return {
    move: (nowX, nowY) => {
      station.setDraft({ from, to: toMm(station.scene.affine, inside(nowX, nowY, pane, station)), plane: pane.planeName });
    },
    end: (cancelled) => station.keepDraft(!cancelled && distance(from, station.draft.to) >= SHORTEST),
  };
}

/** Takes hold of a ROI (its centre moves, its rim resizes) or of an end of a distance. */
function holding(mark, pane, station) {
  const item = mark.roi || mark.line;
  const before = station.measures.snapshot();
  station.select(item.id);
  return {
    move: (x, y, dx, dy) => {
      if (!dx && !dy) return;
      const point = toMm(station.scene.affine, inside(x, y, pane, station));
      if (mark.part === "centre") item.center = mark.roi.kind === "sphere" ? station.onPlane(pane, item.center, point) : point;
      else if (mark.part === "rim") item.radius = Math.max(SHORTEST, distance(item.center, point));
      else item[mark.part] = point;
      station.measured();
    },
    end: () => {
      if (station.measures.snapshot() === before) return;
      station.measures.remember(before);
      station.measured();
    },
  };
}
