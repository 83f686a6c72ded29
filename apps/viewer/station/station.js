// The reading station: what is shown and how, and the one place where it changes.
//
// Streamlit calls the function at the end each time the page's script has run. Volumes are fetched once a scene; slices,
// windows, colours and comparisons are drawn here; the server hears of the state a moment later.

import { contentBox } from "./content.js";
import { Controls } from "./controls.js";
import { listenToKeys } from "./keys.js";
import { LAYOUTS } from "./layout.js";
import { firstLook, keptLook, restoreLook } from "./look.js";
import { VolumeError, byteSize, fetchVolume } from "./loading.js";
import { Measures } from "./measures.js";
import { MIP_ANGLES, Projections } from "./mip.js";
import { ATTRIBUTION_PALETTE, Pictures } from "./pictures.js";
import { PLANES, invert, toMm, toVoxel } from "./planes.js";
import { Reporter } from "./reporting.js";
import { Stage } from "./stage.js";

const MIP_TOP = 99.5; // percentile of a projection that its automatic window ends at
const MIP_LIMIT = 2; // times the top of the slices' automatic window: a bladder must not leave the rest pale
const BAR_LUMA = 255; // of the fused picture, at which the colour bar of the attribution is shown

function middle(shape) {
  return shape.map((count) => Math.floor(count / 2));
}

class Station {
  constructor(root) {
    this.root = root;
    this.scene = null;
    this.measures = new Measures();
    this.reporter = new Reporter();
    this.controls = new Controls(root, this);
    this.stage = new Stage(root, this);
    this.draft = null;
    this.projections = null;
    this.recording = false;
    this.restored = null;
    this.accent = getComputedStyle(root).getPropertyValue("--accent").trim();
    const fit = () => this.fitHeight();
    window.addEventListener("resize", fit);
    const stopKeys = listenToKeys(this);
    this.cleanUp = () => {
      window.removeEventListener("resize", fit);
      stopKeys();
    };
  }

  /** The component fills the window below what stands above it. */
  fitHeight() {
    const { host } = this.root.getRootNode();
    const scrolled = host && host.closest('[data-testid="stMain"]');
    const top = this.root.getBoundingClientRect().top + (scrolled ? scrolled.scrollTop : 0);
    // Streamlit fades what a running script may change; images must not fade while the server measures
    const container = host && host.closest('[data-testid="stElementContainer"]');
    if (container) container.style.setProperty("opacity", "1", "important");
    this.root.style.setProperty("--height", `${Math.floor(window.innerHeight - Math.max(0, top))}px`);
  }

  /** Takes a scene from Python: a new one is loaded; of a known one the numbers and texts may have changed. */
  receive(scene, component) {
    this.component = component;
    this.reporter.send = (name, value) => component.setStateValue(name, value);
    const last = this.scene;
    this.scene = scene;
    if (!last || last.id !== scene.id) this.open(scene, last);
    this.controls.showScene(scene);
    if (scene.restore && scene.restore.id !== this.restored) this.restore(scene.restore);
    this.fitHeight();
    this.stage.invalidate();
  }

  open(scene, last) {
    const { shape, affine } = scene;
    this.names = { mri: "MRI", functional: "PET/SPECT", ...scene.names };
    this.inverse = invert(affine);
    const sameGrid = last && JSON.stringify([last.shape, last.affine]) === JSON.stringify([shape, affine]);
    if (!sameGrid) {
      this.look = firstLook(scene);
      this.crosshair = middle(shape);
      this.measures = new Measures();
      this.windows = this.automaticWindows();
      this.box = shape.map((count) => [0, count - 1]);
    } else if (last.volumes.functional.unit !== scene.volumes.functional.unit) {
      this.windows.functional = this.automaticWindows().functional;
    }
    if (!last) this.reporter.know(this.state());
    this.load();
  }

  automaticWindows() {
    const { mri, functional } = this.scene.volumes;
    return { mri: [mri.low, mri.high], functional: [functional.low, functional.high] };
  }

  /** Fetches the volumes of the scene; each is shown as it arrives. */
  async load() {
    const { scene } = this;
    if (this.loading) this.loading.abort();
    this.loading = new AbortController();
    const last = this.pictures && String(this.pictures.shape) === String(scene.shape) ? this.pictures.volumes : {};
    this.pictures = new Pictures(scene.shape, scene.spacing, scene.palettes);
    this.attributionColors = this.pictures.table("attribution", this.pictures.palette(ATTRIBUTION_PALETTE), 0);
    this.attributionColors = Uint32Array.from({ length: 256 }, (_, share) => this.attributionColors[(share << 8) | BAR_LUMA]);
    this.projections = null;
    const names = ["mri", "functional", "fused", "attribution"].filter((name) => scene.volumes[name]);
    const isKept = (name) => last[name] && last[name].url === scene.volumes[name].url; // a new fusion of the same pair
    for (const name of names.filter(isKept)) this.take(name, last[name]);
    await this.fetchAll(names.filter((name) => !isKept(name)).map((name) => [name, scene.volumes[name]]));
  }

  async fetchAll(entries) {
    const { pictures, scene, loading } = this;
    const total = entries.reduce((sum, [, facts]) => sum + byteSize(facts, scene.shape), 0);
    let loaded = 0;
    this.controls.showFailure("");
    this.controls.showLoading(0);
    const one = async ([name, facts]) => {
      const volume = await fetchVolume(this.imageName(name), facts, scene.shape, loading.signal, (count) => {
        loaded += count;
        this.controls.showLoading(loaded / total);
      });
      if (pictures === this.pictures) this.take(name, volume);
    };
    const failed = (await Promise.allSettled(entries.map(one))).filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    if (loading.signal.aborted) return;
    const told = failed.find((error) => error instanceof VolumeError);
    if (failed.length) this.controls.showFailure(told ? told.message : "The images could not be shown. Load them again.");
    else this.controls.showLoading(1);
  }

  /** Takes a volume that has arrived. */
  take(name, volume) {
    const { shape, volumes } = this.scene;
    this.pictures.add(name, volume);
    this.fillWindow(name);
    if (name === "mri") this.box = contentBox(volume, shape, volumes.mri.high);
    if (name === "functional" && this.look.mip) this.project();
    this.stage.invalidate();
  }

  get ready() {
    return Boolean(this.pictures && this.pictures.volumes.mri);
  }

  get activePane() {
    return this.stage.active;
  }

  /** The functional image before registration, which is fetched when it is first asked for. */
  fetchBefore() {
    const { registration } = this.scene;
    if (!this.pictures.volumes.before && registration && registration.before) this.fetchAll([["before", registration.before]]);
  }

  project() {
    const { functional } = this.pictures.volumes;
    if (this.projections || !functional) return;
    this.projections = new Projections(functional, this.scene.shape, this.scene.spacing);
    const { slope, intercept } = functional;
    const [, top] = this.automaticWindows().functional;
    const found = slope * this.projections.percentile(MIP_TOP, (top / 10 - intercept) / slope) + intercept;
    this.mipTop = Math.min(Math.max(found, top), MIP_LIMIT * top);
    this.fillWindow("mip");
  }

  /** The functional window of a pane. Maxima are higher than slices, so the projection has its own until one is chosen. */
  functionalWindow(pane) {
    const { functional } = this.windows;
    const isChosen = String(functional) !== String(this.automaticWindows().functional);
    return pane.image === "mip" && this.projections && !isChosen ? [functional[0], this.mipTop] : functional;
  }

  // Names and places

  imageName(image) {
    return { mri: this.names.mri, functional: this.names.functional, before: `unmoved ${this.names.functional}` }[image] || image;
  }

  sourceName(source) {
    return { network: "Fused", network_grey: "Fused, grey", alpha: "Blend" }[source] || this.imageName(source);
  }

  offers(mode) {
    if (mode === "attribution") return Boolean(this.scene.volumes.attribution);
    return mode !== "registration" || Boolean(this.scene.registration && this.scene.registration.before);
  }

  slice(planeName) {
    const { axis } = PLANES[planeName];
    return Math.min(this.scene.shape[axis] - 1, Math.max(0, Math.round(this.crosshair[axis])));
  }

  crosshairIndex() {
    const { shape } = this.scene;
    const [x, y, z] = this.crosshair.map((value, i) => Math.min(shape[i] - 1, Math.max(0, Math.round(value))));
    return x + shape[0] * (y + shape[1] * z);
  }

  /** The image whose window a drag in a pane changes. */
  windowOf(pane) {
    return pane.image === "mri" || (pane.image === "fused" && this.look.mode === "network_grey") ? "mri" : "functional";
  }

  isLight(pane) {
    return this.stage.isLight(pane);
  }

  windowsDiffer() {
    return JSON.stringify(this.windows) !== JSON.stringify(this.automaticWindows());
  }

  // Changes

  changed({ controls = true } = {}) {
    if (controls) this.controls.stale = true;
    this.stage.invalidate();
    this.reporter.later(() => this.state());
  }

  setLook(changes) {
    Object.assign(this.look, changes);
    if (this.look.mip) this.project();
    if ("cine" in changes) this.play();
    this.changed();
  }

  setMode(mode) {
    if (!this.offers(mode)) return;
    const shown = this.stage.panes.some(({ image }) => image === "fused");
    this.setLook({ mode, ...(shown ? {} : { image: "fused", large: null }) });
  }

  setPair(place, source) {
    this.look.pairs[this.look.mode][place] = source;
    this.changed();
  }

  showRegistration(before) {
    if (!this.offers("registration")) return;
    this.look.before = before;
    this.setMode("registration");
    if (before) this.fetchBefore();
  }

  nextLayout() {
    const names = Object.keys(LAYOUTS);
    this.setLook({ layout: names[(names.indexOf(this.look.layout) + 1) % names.length], large: null });
  }

  toggleLarge(pane) {
    this.setLook({ large: this.look.large ? null : pane.name });
  }

  activate(pane) {
    this.stage.activate(pane);
  }

  setWindow(image, window) {
    this.windows[image] = window;
    this.fillWindow(image);
    if (image === "functional") for (const other of ["before", "mip"]) this.fillWindow(other);
    this.changed();
  }

  fillWindow(name) {
    if (name === "mip") this.pictures.setWindow(name, this.functionalWindow({ image: name }), this.pictures.volumes.functional);
    const window = this.windows[name === "before" ? "functional" : name];
    if (window) this.pictures.setWindow(name, window);
  }

  resetWindows() {
    const automatic = this.automaticWindows();
    for (const image of ["mri", "functional"]) this.setWindow(image, automatic[image]);
  }

  reset() {
    this.resetWindows();
    this.crosshair = middle(this.scene.shape);
    this.setLook({ zoom: 1, center: null, mipAngle: 0, split: 0.5 });
  }

  moveCrosshair(voxel) {
    const { shape } = this.scene;
    this.crosshair = voxel.map((value, i) => Math.min(shape[i] - 1, Math.max(0, value)));
    this.changed({ controls: false });
  }

  /** Scrolls in the active pane; turns the projection. */
  step(count) {
    const { plane, planeName } = this.activePane;
    if (!plane) {
      this.turn(Number.isFinite(count) ? count : 0);
      return;
    }
    const voxel = [...this.crosshair];
    voxel[plane.axis] = this.slice(planeName) + count;
    this.moveCrosshair(voxel);
  }

  turn(count) {
    this.look.mipAngle = (((this.look.mipAngle + count) % MIP_ANGLES) + MIP_ANGLES) % MIP_ANGLES;
    this.changed({ controls: false });
  }

  /** Plays from slice to slice, or turns the projection, while cine is on. */
  play() {
    clearTimeout(this.playing);
    if (!this.look.cine) return;
    const { plane, planeName } = this.activePane;
    if (!plane) this.turn(1);
    else {
      const voxel = [...this.crosshair];
      voxel[plane.axis] = (this.slice(planeName) + 1) % this.scene.shape[plane.axis];
      this.moveCrosshair(voxel);
    }
    this.playing = setTimeout(() => this.play(), 1000 / this.look.fps);
  }

  goToBrightest(pane, x, y) {
    if (!this.projections) return;
    const [column, row] = pane.toPicture(x, y).map(Math.floor);
    const { columns, rows } = this.projections;
    if (column < 0 || row < 0 || column >= columns || row >= rows) return;
    const voxel = this.projections.brightest(this.look.mipAngle, column, row);
    if (voxel) this.moveCrosshair(voxel);
  }

  zoomBy(factor, pane, at) {
    this.stage.zoomBy(factor, pane, at);
    this.changed({ controls: false });
  }

  pan(pane, dx, dy) {
    this.stage.pan(pane, dx, dy);
    this.changed({ controls: false });
  }

  // Measuring

  setDraft(draft) {
    this.draft = draft;
    this.stage.invalidate();
  }

  /** The ROI or distance that is being drawn becomes one, or is dropped. */
  keepDraft(keep) {
    const { draft } = this;
    this.draft = null;
    if (keep && draft.to) this.measures.addDistance(draft.from, draft.to, draft.plane);
    else if (keep) this.measures.addRoi(draft.kind, draft.center, draft.radius, draft.plane);
    this.measured();
  }

  measured() {
    this.changed();
  }

  select(id) {
    this.measures.selected = id;
    this.changed();
  }

  removeMeasure(id) {
    this.measures.remove(id);
    this.changed();
  }

  undo() {
    this.measures.undo();
    this.changed();
  }

  redo() {
    this.measures.redo();
    this.changed();
  }

  goToMeasure(item) {
    this.select(item.id);
    this.moveCrosshair(toVoxel(this.inverse, item.center || item.from));
  }

  /** A point moved within a pane's plane: `from` keeps its place across it. */
  onPlane(pane, from, to) {
    const voxel = toVoxel(this.inverse, to);
    voxel[pane.plane.axis] = toVoxel(this.inverse, from)[pane.plane.axis];
    return toMm(this.scene.affine, voxel);
  }

  // The page

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen();
  }

  escape() {
    if (this.recording) this.recording = false;
    else if (!this.controls.help.hidden) this.controls.toggleHelp(false);
    else if (this.look.large) this.setLook({ large: null });
    else this.select(null);
  }

  requestFusion() {
    this.reporter.now(this.state());
    this.request({ type: "refuse_window", windows: this.windows });
  }

  // What the server hears, and gives back

  request(what) {
    this.component.setTriggerValue("request", what);
  }

  state() {
    const { look, windows, measures } = this;
    return {
      crosshair: this.crosshair.map((value) => Math.round(value * 100) / 100),
      windows: structuredClone(windows),
      palette: look.palette,
      layout: keptLook(look),
      rois: structuredClone(measures.rois),
      distances: structuredClone(measures.distances),
    };
  }

  restore({ id, crosshair, windows, palette, layout, rois, distances }) {
    this.restored = id;
    restoreLook(this.look, layout, palette, (mode) => this.offers(mode));
    if (rois || distances) this.measures.restore(rois, distances);
    for (const image of ["mri", "functional"]) if (windows && windows[image]) this.setWindow(image, windows[image]);
    if (this.look.before) this.fetchBefore();
    if (this.look.mip) this.project();
    if (crosshair) this.moveCrosshair(crosshair);
    this.changed();
  }

  destroy() {
    if (this.loading) this.loading.abort();
    clearTimeout(this.playing);
    this.recording = false;
    this.reporter.destroy();
    this.stage.destroy();
    this.cleanUp();
  }
}

const stations = new WeakMap();

export default function mount(component) {
  const root = component.parentElement.querySelector(".station");
  if (!stations.has(root)) stations.set(root, new Station(root));
  const station = stations.get(root);
  station.receive(component.data, component);
  return () => station.destroy();
}
