// Keeping what is on the screen: a PNG of the view, a scroll as video. Both are made in the browser; nothing is sent.

import { MIP_ANGLES } from "./mip.js";

const FOOT = 24; // pixels for the lines below the panes
const VIDEO_TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

/** The panes as they stand, as a PNG file. */
export function savePicture(station) {
  station.stage.draw();
  composeView(station, window.devicePixelRatio || 1).toBlob((blob) => offer(blob, "fusion-view.png"), "image/png");
}

/** The panes, with the research-use line and what was edited below. */
function composeView(station, ratio) {
  const { container, panes } = station.stage;
  const box = container.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round((box.height + FOOT) * ratio);
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#2b3038";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const pane of panes) {
    const own = pane.element.getBoundingClientRect();
    drawPane(context, pane, (own.left - box.left) * ratio, (own.top - box.top) * ratio, own.width * ratio, own.height * ratio);
  }
  drawFoot(context, canvas, station, ratio);
  return canvas;
}

function drawPane(context, pane, left, top, width, height) {
  context.drawImage(pane.picture.canvas, left, top, width, height);
  context.drawImage(pane.overlay.canvas, left, top, width, height);
}

function drawFoot(context, canvas, { scene }, ratio) {
  const top = canvas.height - Math.round(FOOT * ratio);
  context.fillStyle = "#0e1013";
  context.fillRect(0, top, canvas.width, canvas.height - top);
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const middle = top + (FOOT * ratio) / 2;
  context.textAlign = "left";
  context.fillStyle = "#d9dde3";
  context.fillText(scene.notice, 10 * ratio, middle);
  const { registration, edited } = scene;
  const told = [...edited];
  if (registration && (registration.verdict === "doubtful" || registration.verdict === "failed")) told.push(`Registration ${registration.verdict}`);
  context.textAlign = "right";
  context.fillStyle = "#ffb340";
  context.fillText(told.join("   "), canvas.width - 10 * ratio, middle);
}

/** Offers a file to the user. Its name holds nothing of the patient. */
function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function videoType() {
  if (typeof MediaRecorder === "undefined") return null;
  return VIDEO_TYPES.find((type) => MediaRecorder.isTypeSupported(type)) || null;
}

/** A scroll through the active pane, or a turn of the projection, as a WebM file. Where the browser makes none, the server is asked. */
export async function saveVideo(station) {
  const pane = station.activePane;
  if (station.recording || !station.ready) return;
  if (!videoType()) {
    station.request({ type: "scroll_video", plane: pane.planeName, image: pane.image });
    return;
  }
  const kept = { crosshair: station.crosshair, mipAngle: station.look.mipAngle };
  station.recording = true;
  const film = await record(pane, station);
  station.recording = false;
  station.crosshair = kept.crosshair;
  station.look.mipAngle = kept.mipAngle;
  station.controls.showWork("", 0);
  station.stage.invalidate();
  if (film) offer(film, "fusion-scroll.webm");
}

/** Draws picture after picture and records them; null if the user stopped it. */
async function record(pane, station) {
  const count = pane.plane ? station.scene.shape[pane.plane.axis] : MIP_ANGLES;
  const { fps } = station.look;
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Math.round(pane.width / 2);
  canvas.height = 2 * Math.round((pane.height + FOOT) / 2);
  const context = canvas.getContext("2d", { alpha: false });
  const pieces = [];
  const stream = canvas.captureStream(0); // a frame is taken when it is asked for, so that each slice is one
  const recorder = new MediaRecorder(stream, { mimeType: videoType(), videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
  recorder.start();
  for (let i = 0; i < count && station.recording; i++) {
    station.controls.showWork(`Recording ${i + 1} of ${count}`, i / count);
    if (pane.plane) station.crosshair = station.crosshair.map((value, axis) => (axis === pane.plane.axis ? i : value));
    else station.look.mipAngle = i;
    station.stage.draw();
    drawPane(context, pane, 0, 0, pane.width, pane.height);
    drawFoot(context, canvas, station, 1);
    stream.getVideoTracks()[0].requestFrame();
    await new Promise((resolve) => setTimeout(resolve, 1000 / fps));
  }
  recorder.stop();
  await stopped;
  return station.recording ? new Blob(pieces, { type: recorder.mimeType }) : null;
}
