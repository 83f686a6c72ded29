// Two lists of the page: the keys and the mouse, and what was measured.

import { ACTIONS, MOUSE, keyNames } from "./actions.js";
import { lengthText, roiLines } from "./measure-marks.js";
import { distance } from "./planes.js";

export function element(tag, words) {
  const made = document.createElement(tag);
  made.textContent = words;
  return made;
}

function button(words, label, onClick) {
  const made = element("button", words);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", onClick);
  return made;
}

/** Fills the panel of keys and mouse, from the list of actions. */
export function fillHelp(panel, close) {
  const entries = Object.values(ACTIONS)
    .filter((action) => action.keys.length && action.label)
    .map((action) => [keyNames(action).map((key) => element("kbd", key)), action.label]);
  const half = Math.ceil(entries.length / 2);
  const columns = element("div", "");
  columns.className = "columns";
  const mouse = MOUSE.map(([what, label]) => [[what], label]);
  columns.append(...[entries.slice(0, half), entries.slice(half), mouse].map(definitions));
  panel.append(element("h2", "Keys and mouse"), button("×", "Close the list", close), columns);
}

function definitions(entries) {
  const list = element("dl", "");
  for (const [keys, label] of entries) {
    const term = element("dt", "");
    term.append(...keys.flatMap((key, i) => (i ? [" ", key] : [key])));
    list.append(term, element("dd", label));
  }
  return list;
}

/** Fills the list of ROIs and distances under the panes. */
export function listMeasures(list, station) {
  const { measures } = station;
  const rows = [
    ...measures.rois.map((roi) => [roi, [roi.kind, ...roiLines(roi, station)]]),
    ...measures.distances.map((line) => [line, [lengthText(distance(line.from, line.to), station)]]),
  ];
  list.hidden = !rows.length;
  list.replaceChildren(...rows.map(([item, words]) => measureRow(item, words, station)));
}

function measureRow(item, words, station) {
  const row = element("div", "");
  row.className = `measure${item.id === station.measures.selected ? " selected" : ""}`;
  row.dataset.testid = `measure-${item.id}`;
  row.setAttribute("role", "listitem");
  row.addEventListener("click", () => station.goToMeasure(item));
  const remove = button("×", `Remove ${item.id}`, (event) => {
    event.stopPropagation();
    station.removeMeasure(item.id);
  });
  row.append(element("b", item.id), ...words.map((word) => element("span", word)), remove);
  return row;
}
