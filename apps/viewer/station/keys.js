// Keys reach the station wherever the focus is, unless somebody is typing or moves through the page by keyboard.
//
// Streamlit's widgets take the focus when they are clicked, and its own shortcuts (r reruns, c clears the cache) would fire
// besides: so the listener is on the window, before all others, and a key that was taken goes no further.

import { actionOf } from "./actions.js";

/** Keys that a control needs for itself while the user works it by keyboard. */
const OWN_KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown", "Enter", " ", "Escape"]);

/** A panel of the menu above the station, which Escape closes first. */
const OPEN_PANEL = '[data-testid="stPopoverBody"]';

/** Sets `station.byPointer`: whether the focus was last moved by the mouse. */
export function listenToKeys(station) {
  station.byPointer = true;
  const onPointer = () => (station.byPointer = true);
  const onKey = (event) => {
    if (event.key === "Tab") station.byPointer = false;
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.composedPath()[0];
    const action = actionOf(event);
    if (!action || !station.scene || isTaken(target, event.key, station.byPointer, station.root)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    action.run(station, event);
  };
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("pointerdown", onPointer, true);
  return () => {
    window.removeEventListener("keydown", onKey, true);
    window.removeEventListener("pointerdown", onPointer, true);
  };
}

/** Does the focused element need this key itself? */
function isTaken(target, key, byPointer, root) {
  if (key === "Escape" && document.querySelector(OPEN_PANEL)) return true;
  if (!(target instanceof Element) || target === document.body) return false;
  if (!root.contains(target) && target.closest('[role="dialog"], [aria-modal="true"]')) return true;
  if (target.isContentEditable || target.matches("textarea")) return true;
  const closedList = target.getAttribute("role") === "combobox" && target.getAttribute("aria-expanded") !== "true";
  if (target.matches("input") && !target.matches('[type="checkbox"], [type="radio"], [type="range"], [type="button"], [type="submit"]')) {
    return !(closedList && byPointer);
  }
  if (target.closest('[role="listbox"], [role="menu"], [role="grid"]')) return true;
  const control = target.closest('button, a[href], select, input, summary, [role="slider"], [role="tab"], [role="radio"], [role="checkbox"]');
  return Boolean(control) && !byPointer && OWN_KEYS.has(key);
}
