// The bars, the banner, the status line and the help: they show the station's state and change it.

import { ACTIONS, keyNames } from "./actions.js";
import { formatValue } from "./colors.js";
import { IMAGES, planesOf } from "./layout.js";
import { element, fillHelp, listMeasures } from "./lists.js";
import { MODES } from "./pictures.js";
import { PLANES, pointText, toMm } from "./planes.js";

const PALETTE_NAMES = {
  hot_iron: "Hot Iron",
  pet: "PET",
  hot_metal_blue: "Hot Metal Blue",
  pet_20_step: "PET 20 Step",
  rainbow: "Rainbow",
  grey: "Grey",
  inverse_grey: "Inverse grey",
};

/** Actions whose buttons are pressed or not, and when. */
const PRESSED = {
  mip: (look) => look.mip,
  cine: (look) => look.cine,
  overlays: (look) => look.overlays,
  smooth: (look) => look.smooth,
  "roi-sphere": (look) => look.roiKind === "sphere",
  "roi-circle": (look) => look.roiKind === "circle",
  "show-before": (look) => look.before,
  "show-after": (look) => !look.before,
};

export class Controls {
  constructor(root, station) {
    this.root = root;
    this.station = station;
    this.bound = Object.fromEntries([...root.querySelectorAll("[data-bind]")].map((element) => [element.dataset.bind, element]));
    for (const [name, element] of Object.entries(this.bound)) {
      element.dataset.testid = name;
      element.addEventListener(element.type === "range" ? "input" : "change", () => this.take(name, element));
    }
    for (const button of root.querySelectorAll("[data-action]")) this.bindButton(button);
    this.readout = root.querySelector('[data-testid="readout"]');
    this.measures = root.querySelector(".measures");
    this.help = root.querySelector(".help");
    fillHelp(this.help, () => this.toggleHelp());
  }

  bindButton(button) {
    const { action } = button.dataset;
    const { label, keys } = ACTIONS[action];
    button.type = "button";
    button.dataset.testid = action;
    button.title = keys.length ? `${label} (${keyNames(ACTIONS[action]).join(", ")})` : label;
    if (!button.textContent.trim() || button.textContent.trim() === "?") button.setAttribute("aria-label", label);
    button.addEventListener("click", (event) => {
      ACTIONS[action].run(this.station, event);
      this.release(button);
    });
  }

  /** What belongs to a scene: names, lists of presets and palettes, banner, notice. */
  showScene(scene) {
    const { names } = this.station;
    const imageNames = { mri: names.mri, functional: names.functional, fused: "Fused" };
    fill(this.bound.image, IMAGES.map((image) => [image, imageNames[image]]));
    fill(this.bound.plane, planesOf(scene.shape).map((plane) => [plane, PLANES[plane].name]));
    const modes = Object.keys(MODES).filter((mode) => this.station.offers(mode));
    fill(this.bound.mode, modes.map((mode) => [mode, MODES[mode]]));
    const sources = ["mri", "functional", "network", "network_grey", "alpha"].map((source) => [source, this.station.sourceName(source)]);
    fill(this.bound.first, sources);
    fill(this.bound.second, sources);
    const palettes = Object.keys(scene.palettes).map((name) => [name, PALETTE_NAMES[name] || name]);
    fill(this.bound.palette, palettes);
    fill(this.bound.functionalPalette, palettes);
    for (const image of ["mri", "functional"]) {
      const presets = scene.presets[image].map(({ name }, i) => [String(i), name]);
      fill(this.bound[`${image}-preset`], [["", "Window"], ...presets]);
    }
    this.output("mri-name", names.mri);
    this.output("functional-name", names.functional);
    this.output("functional-unit", scene.volumes.functional.unit);
    this.root.querySelector('[data-testid="notice"]').textContent = scene.notice;
    this.root.querySelector('[data-testid="edited"]').textContent = scene.edited.join("   ");
    this.showTrust(scene);
    this.refresh();
  }

  /** The registration's verdict as a chip; what must be noticed as a banner. */
  showTrust({ registration, warnings }) {
    const verdict = registration ? registration.verdict : "none";
    const chip = this.root.querySelector('[data-testid="verdict"]');
    chip.hidden = verdict === "none";
    chip.className = `chip ${verdict}`;
    chip.textContent = `Registration ${verdict}`;
    chip.title = (registration && registration.text) || "";
    const doubted = verdict === "doubtful" || verdict === "failed";
    const lines = [...(doubted ? [`Registration ${verdict}. ${registration.text}`] : []), ...warnings];
    const banner = this.root.querySelector(".banner");
    banner.hidden = !lines.length;
    banner.className = `banner ${verdict}`;
    banner.replaceChildren(...lines.map((line) => element("p", line)));
  }

  /** Takes what the user set in a list, a slider or a field. */
  take(name, control) {
    const { station } = this;
    const { value } = control;
    const [image, part] = name.split("-");
    if (part === "preset") {
      const preset = station.scene.presets[image][Number(value)];
      if (value !== "") station.setWindow(image, [preset.low, preset.high]);
    } else if (part === "low" || part === "high") this.takeWindow(image, part, control);
    else if (name === "first" || name === "second") station.setPair(name === "first" ? 0 : 1, value);
    else if (name === "mode") station.setMode(value);
    else if (control.type === "range") station.setLook({ [name]: Number(value) });
    else if (name === "image" || name === "plane") station.setLook({ [name]: value, large: null });
    else station.setLook({ [name]: value });
    if (control.type !== "text") this.release(control);
  }

  /** A control that was used by the mouse gives the focus back, so that no ring stays around it. */
  release(control) {
    if (this.station.byPointer) control.blur();
  }

  takeWindow(image, part, control) {
    const number = Number(control.value.replace(",", "."));
    const window = [...this.station.windows[image]];
    window[part === "low" ? 0 : 1] = number;
    const valid = control.value.trim() !== "" && Number.isFinite(number) && window[0] < window[1];
    control.setAttribute("aria-invalid", String(!valid));
    if (valid) this.station.setWindow(image, window);
  }

  afterDraw() {
    if (this.stale) this.refresh();
    this.showReadout();
  }

  /** Brings buttons, lists and fields in line with the state. */
  refresh() {
    this.stale = false;
    const { look, windows, scene, measures } = this.station;
    for (const name of ["image", "plane", "mode", "palette", "functionalPalette"]) this.bound[name].value = look[name];
    for (const name of ["alpha", "tile", "fps"]) this.bound[name].value = look[name];
    this.output("alpha", `${Math.round(100 * look.alpha)} %`);
    this.output("tile", `${look.tile} mm`);
    this.output("fps", `${look.fps} /s`);
    for (const image of ["mri", "functional"]) {
      const [low, high] = windows[image];
      for (const [part, value] of [["low", low], ["high", high]]) {
        const field = this.bound[`${image}-${part}`];
        if (this.root.getRootNode().activeElement !== field) field.value = formatValue(value);
        field.setAttribute("aria-invalid", "false");
      }
      const preset = scene.presets[image].findIndex((one) => one.low === low && one.high === high);
      this.bound[`${image}-preset`].value = preset < 0 ? "" : String(preset);
    }
    const pair = look.pairs[look.mode];
    if (pair) [this.bound.first.value, this.bound.second.value] = pair;
    this.output("versus", look.mode === "difference" ? "−" : "|");
    const single = planesOf(scene.shape).length === 1;
    this.bound.image.hidden = single || look.layout !== "planes";
    this.bound.plane.hidden = single || look.layout !== "images";
    const shown = {
      pair: Boolean(pair),
      alpha: look.mode === "alpha" || Boolean(pair && pair.includes("alpha")),
      checkerboard: look.mode === "checkerboard",
      registration: look.mode === "registration",
      roi: look.tool === "roi",
      cine: look.cine,
    };
    for (const part of this.root.querySelectorAll("[data-when]")) part.hidden = !shown[part.dataset.when];
    for (const button of this.root.querySelectorAll("[data-action]")) {
      const { action } = button.dataset;
      if (action.startsWith("layout-")) setPressed(button, action === `layout-${look.layout}`);
      else if (action.startsWith("tool-")) setPressed(button, action === `tool-${look.tool}`);
      else if (PRESSED[action]) setPressed(button, PRESSED[action](look));
    }
    for (const name of ["planes", "images", "grid"]) this.button(`layout-${name}`).disabled = single && name !== "images";
    this.button("mip").disabled = single;
    this.button("undo").disabled = !measures.past.length;
    this.button("redo").disabled = !measures.future.length;
    this.button("refuse").hidden = !this.station.windowsDiffer();
    listMeasures(this.measures, this.station);
  }

  button(action) {
    return this.root.querySelector(`[data-action="${action}"]`);
  }

  output(name, words) {
    for (const place of this.root.querySelectorAll(`[data-output="${name}"]`)) place.textContent = words;
  }

  /** Values at the crosshair. */
  showReadout() {
    const { station } = this;
    const { scene, names } = station;
    const [column, row] = station.crosshair.map((value, axis) => scene.shape[axis] - Math.round(value));
    const where = scene.picture ? `column ${column}  row ${row}` : pointText(toMm(scene.affine, station.crosshair));
    const parts = [["", where]];
    const { mri, functional, fused, attribution } = station.pictures.volumes;
    const index = station.crosshairIndex();
    if (mri) parts.push([names.mri, `${formatValue(mri.value(index))} ${mri.unit}`]);
    if (functional) parts.push([names.functional, `${formatValue(functional.value(index))} ${functional.unit}`]);
    if (fused) parts.push(["Fused", fused.value(index).toFixed(2)]);
    if (attribution) parts.push([`From ${names.functional}`, `${Math.round((100 * attribution.data[index]) / 255)} %`]);
    if (this.words === String(parts)) return;
    this.words = String(parts);
    this.readout.replaceChildren(...parts.flatMap(([name, value]) => [`${name}${name ? " " : ""}`, element("b", value.trim()), "     "]));
  }

  showLoading(share) {
    const loading = this.root.querySelector(".loading");
    loading.hidden = share >= 1;
    loading.querySelector("progress").value = share;
    this.output("loaded", `${Math.floor(100 * share)} %`);
  }

  showFailure(sentence) {
    const failure = this.root.querySelector(".failure");
    failure.hidden = !sentence;
    failure.querySelector("span").textContent = sentence;
    if (sentence) this.root.querySelector(".loading").hidden = true;
  }

  showWork(words, share) {
    const loading = this.root.querySelector(".loading");
    loading.hidden = !words;
    loading.firstElementChild.textContent = words || "Loading the images";
    loading.querySelector("progress").value = share;
    this.output("loaded", words ? "Esc stops" : "");
  }

  toggleHelp(on = this.help.hidden) {
    this.help.hidden = !on;
    if (on) this.help.querySelector("button").focus({ preventScroll: true });
  }
}

function fill(select, options) {
  select.replaceChildren(
    ...options.map(([value, name]) => {
      const option = element("option", name);
      option.value = value;
      return option;
    }),
  );
}

function setPressed(button, on) {
  button.setAttribute("aria-pressed", String(on));
}
