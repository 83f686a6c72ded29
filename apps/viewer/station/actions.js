// What the user can do by a key or a button: one list, from which keys, buttons, tooltips and the help panel are made.

import { savePicture, saveVideo } from "./keeping.js";
import { LAYOUTS } from "./layout.js";
import { MODES } from "./pictures.js";

/** id → {keys, label, run(station, event)}; a label of "" keeps the action out of the help. */
export const ACTIONS = {
  "slice-up": { keys: ["ArrowUp", "ArrowRight"], label: "Next slice, towards head, front or right", run: (s) => s.step(1) },
  "slice-down": { keys: ["ArrowDown", "ArrowLeft"], label: "Previous slice", run: (s) => s.step(-1) },
  "slices-up": { keys: ["PageUp"], label: "Ten slices up", run: (s) => s.step(10) },
  "slices-down": { keys: ["PageDown"], label: "Ten slices down", run: (s) => s.step(-10) },
  "slice-first": { keys: ["Home"], label: "First slice", run: (s) => s.step(-Infinity) },
  "slice-last": { keys: ["End"], label: "Last slice", run: (s) => s.step(Infinity) },
  cine: { keys: ["c"], label: "Cine: play the slices, turn the MIP", run: (s) => s.setLook({ cine: !s.look.cine }) },
  mip: { keys: ["m"], label: "MIP of the functional image", run: (s) => s.setLook({ mip: !s.look.mip }) },
  large: { keys: ["Enter"], label: "One pane large, and back", run: (s) => s.toggleLarge(s.activePane) },
  layout: { keys: ["l"], label: "Next layout", run: (s) => s.nextLayout() },
  ...layouts(),
  ...modes(),
  "before-after": { keys: ["b"], label: "Before or after registration", run: (s) => s.showRegistration(!s.look.before) },
  "show-before": { keys: [], label: "Before registration", run: (s) => s.showRegistration(true) },
  "show-after": { keys: [], label: "After registration", run: (s) => s.showRegistration(false) },
  "tool-crosshair": { keys: ["x"], label: "Left button: crosshair", run: (s) => s.setLook({ tool: "crosshair" }) },
  "tool-window": { keys: ["w"], label: "Left button: window", run: (s) => s.setLook({ tool: "window" }) },
  "tool-pan": { keys: ["p"], label: "Left button: move the picture", run: (s) => s.setLook({ tool: "pan" }) },
  "tool-roi": { keys: ["o"], label: "ROI: drag from its centre", run: (s) => s.setLook({ tool: "roi" }) },
  "tool-distance": { keys: ["d"], label: "Distance: drag from end to end", run: (s) => s.setLook({ tool: "distance" }) },
  "roi-sphere": { keys: [], label: "Spherical ROI", run: (s) => s.setLook({ roiKind: "sphere" }) },
  "roi-circle": { keys: [], label: "Circular ROI, in one slice", run: (s) => s.setLook({ roiKind: "circle" }) },
  remove: { keys: ["Delete", "Backspace"], label: "Remove the chosen ROI or distance", run: (s) => s.removeMeasure(s.measures.selected) },
  undo: { keys: ["Ctrl+z"], label: "Undo", run: (s) => s.undo() },
  redo: { keys: ["Ctrl+Shift+z", "Ctrl+y"], label: "Redo", run: (s) => s.redo() },
  "zoom-in": { keys: ["+", "="], label: "Larger", run: (s) => s.zoomBy(1.25) },
  "zoom-out": { keys: ["-"], label: "Smaller", run: (s) => s.zoomBy(0.8) },
  auto: { keys: ["a"], label: "Automatic windows", run: (s) => s.resetWindows() },
  smooth: { keys: ["i"], label: "Smooth or plain pixels", run: (s) => s.setLook({ smooth: !s.look.smooth }) },
  overlays: { keys: ["t"], label: "Text and lines on or off", run: (s) => s.setLook({ overlays: !s.look.overlays }) },
  reset: { keys: ["r"], label: "Reset windows, zoom and slice", run: (s) => s.reset() },
  picture: { keys: ["s"], label: "Save the view as PNG", run: (s) => savePicture(s) },
  video: { keys: ["v"], label: "Save a scroll as video", run: (s) => saveVideo(s) },
  fullscreen: { keys: ["f"], label: "Full screen", run: (s) => s.toggleFullscreen() },
  help: { keys: ["?"], label: "This list", run: (s) => s.controls.toggleHelp() },
  escape: { keys: ["Escape"], label: "", run: (s) => s.escape() },
  refuse: { keys: [], label: "Fuse again with the windows as they are now", run: (s) => s.requestFusion() },
  reload: { keys: [], label: "Load the images again", run: (s) => s.load() },
};

export const MOUSE = [
  ["Wheel", "Scroll through the slices; turn the MIP"],
  ["Left button", "What the tool says; a click in the MIP goes to the hottest voxel"],
  ["Right drag", "Window: MRI width and level; the top of the functional window"],
  ["Middle or Shift drag", "Move the picture"],
  ["Ctrl + wheel", "Zoom"],
  ["Double click", "One pane large, and back"],
];

function layouts() {
  return Object.fromEntries(
    Object.entries(LAYOUTS).map(([name, label]) => [
      `layout-${name}`,
      { keys: [], label, run: (s) => s.setLook({ layout: name, large: null }) },
    ]),
  );
}

function modes() {
  return Object.fromEntries(
    Object.entries(MODES).map(([name, label], i) => [
      `mode-${name}`,
      { keys: [String(i + 1)], label, run: (s) => s.setMode(name) },
    ]),
  );
}

const BY_KEY = new Map(Object.values(ACTIONS).flatMap((action) => action.keys.map((key) => [key, action])));

/** The action of a keyboard event, or undefined. */
export function actionOf(event) {
  if (event.altKey) return undefined;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return BY_KEY.get(`Ctrl+${event.shiftKey ? "Shift+" : ""}${key}`);
  return BY_KEY.get(key);
}

/** Keys as they are printed: "Ctrl+Z". */
export function keyNames(action) {
  const names = { ArrowUp: "↑", ArrowRight: "→", ArrowDown: "↓", ArrowLeft: "←", PageUp: "Page ↑", PageDown: "Page ↓", Delete: "Del" };
  return action.keys
    .filter((key) => key !== "=" && key !== "Backspace")
    .map((key) => names[key] || key.replace(/(^|\+)([a-z])$/, (_, before, letter) => before + letter.toUpperCase()));
}
