// The stage: a picture is dropped here, and what was found lies over it.
// Gradio gives element, trigger, props, upload and watch.

const at = (name) => element.querySelector(`.ov-${name}`);
const [stage, frame, picture, shapes, tags] = ["stage", "frame", "picture", "shapes", "tags"].map(at);
const [chooser, message, count, list] = ["chooser", "message", "count", "list"].map(at);
const [pencil, sketch, examples] = ["draw", "sketch", "examples"].map(at);
const called = sketch.querySelector("input");
const SVG = "http://www.w3.org/2000/svg";
const CROWDED = 24; // with more objects than this only the one under the pointer has its name
let least = 0;
let drawn = [];
let corner = null; // where a box that is being drawn began, and where it ends, shares of the picture

function say(text, kind = "wrong") {
  message.textContent = text;
  message.dataset.kind = kind;
}

const percent = (part, whole) => `${(100 * part) / whole}%`;

function svg(tag, facts) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(facts)) made.setAttribute(key, value);
  return made;
}

function html(tag, kind, text, colour, ink) {
  const made = document.createElement(tag);
  made.className = kind;
  made.textContent = text;
  if (colour) made.style.setProperty("--colour", colour);
  if (ink) made.style.setProperty("--ink", ink);
  return made;
}

function shape(object) {
  const [x1, y1, x2, y2] = object.box;
  const group = svg("g", { style: `--colour: ${object.colour}` });
  if (object.outline) group.append(svg("path", { d: object.outline, "fill-rule": "evenodd" }));
  const sides = { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) };
  group.append(svg("rect", sides));
  return group;
}

function tag(object) {
  const { width, height } = props.value.picture;
  const [x1, y1, x2] = object.box;
  const made = html("span", "ov-tag", object.label, object.colour, object.ink);
  made.append(html("i", "", object.score.toFixed(2)));
  if (x1 > width * 0.7) made.style.right = percent(Math.max(width - x2, 0), width);
  else made.style.left = percent(Math.max(x1, 0), width);
  made.style.top = percent(Math.max(y1, 0), height);
  if (y1 < height * 0.06) made.classList.add("ov-inside");
  return made;
}

function row(object) {
  const made = html("li", "", "", object.colour, object.ink);
  made.tabIndex = 0;
  const bar = html("span", "ov-bar", "");
  bar.style.setProperty("--share", percent(object.score, 1));
  made.append(html("span", "ov-name", object.label), bar);
  made.append(html("span", "ov-score", object.score.toFixed(2)));
  return made;
}

function light(one) {
  stage.classList.toggle("ov-lit", Boolean(one));
  for (const thing of drawn) {
    for (const part of thing.parts) part.classList.toggle("ov-on", thing === one);
  }
}

function put(object) {
  const thing = { score: object.score, box: object.box };
  thing.parts = [shape(object), tag(object), row(object)];
  for (const part of thing.parts) {
    part.addEventListener("pointerenter", () => light(thing));
    part.addEventListener("pointerleave", () => light(null));
  }
  thing.parts[2].addEventListener("focus", () => light(thing));
  thing.parts[2].addEventListener("blur", () => light(null));
  return thing;
}

const area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);

function draw() {
  const { picture: shown, objects, message: text } = props.value || {};
  say(text || "");
  stage.classList.toggle("ov-empty", !shown);
  if (!shown) return;
  if (picture.getAttribute("src") !== shown.source) picture.src = shown.source;
  frame.style.setProperty("--ratio", shown.width / shown.height);
  shapes.setAttribute("viewBox", `0 0 ${shown.width} ${shown.height}`);
  drawn = (objects || []).map(put);
  const small = [...drawn].sort((a, b) => area(b) - area(a)); // the small lie above the large
  shapes.replaceChildren(...small.map((thing) => thing.parts[0]));
  tags.replaceChildren(...small.map((thing) => thing.parts[1]));
  list.replaceChildren(...drawn.map((thing) => thing.parts[2]));
  examples.replaceChildren(...(props.value.examples || []).map(example));
  light(null);
  sift();
}

function example({ label, source }) {
  const made = html("span", "ov-chip", "");
  const remove = html("button", "", "×");
  remove.type = "button";
  remove.setAttribute("aria-label", `forget the example ${label}`);
  remove.onclick = () => trigger("forget", { label });
  made.append(Object.assign(document.createElement("img"), { src: source, alt: "" }), label, remove);
  return made;
}

// Scores are 32-bit numbers, and so is the threshold they are compared with.
function sift() {
  const seen = drawn.filter((thing) => {
    const hidden = thing.score < Math.fround(least);
    for (const part of thing.parts) part.classList.toggle("ov-hidden", hidden);
    return !hidden;
  }).length;
  stage.classList.toggle("ov-crowded", seen > CROWDED);
  const asked = Boolean(props.value && props.value.objects);
  const below = drawn.length > seen ? `, ${drawn.length - seen} below the threshold` : "";
  count.textContent = asked ? `${seen || "nothing"} found${below}` : "";
}

function drawing(on) {
  corner = null;
  sketch.hidden = true;
  stage.classList.toggle("ov-drawing", on);
  pencil.setAttribute("aria-pressed", on);
  if (on) say("Draw a box around the thing to look for, then name it", "hint");
}

function point(event) {
  const { left, top, width, height } = frame.getBoundingClientRect();
  const share = (part, whole) => Math.min(Math.max(part / whole, 0), 1);
  return [share(event.clientX - left, width), share(event.clientY - top, height)];
}

function box() {
  const [[a, b], [c, d]] = corner;
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function outline(event) {
  corner[1] = point(event);
  const [x1, y1, x2, y2] = box();
  const sides = { left: x1, top: y1, width: x2 - x1, height: y2 - y1 };
  for (const [side, value] of Object.entries(sides)) sketch.style[side] = percent(value, 1);
}

function teach() {
  const { width, height } = props.value.picture;
  const [x1, y1, x2, y2] = box();
  const label = called.value.trim();
  if (!label) return;
  drawing(false);
  say("");
  trigger("example", { label, box: [x1 * width, y1 * height, x2 * width, y2 * height] });
}

pencil.addEventListener("click", () => drawing(pencil.getAttribute("aria-pressed") !== "true"));
frame.addEventListener("pointerdown", (event) => {
  if (!stage.classList.contains("ov-drawing") || event.target === called) return;
  event.preventDefault();
  frame.setPointerCapture(event.pointerId);
  corner = [point(event), point(event)];
  sketch.hidden = false;
  sketch.classList.remove("ov-named");
  outline(event);
});
frame.addEventListener("pointermove", (event) => {
  if (frame.hasPointerCapture(event.pointerId)) outline(event);
});
frame.addEventListener("pointerup", (event) => {
  if (!frame.hasPointerCapture(event.pointerId)) return;
  frame.releasePointerCapture(event.pointerId);
  const [x1, y1, x2, y2] = box();
  sketch.hidden = x2 - x1 < 0.01 || y2 - y1 < 0.01; // a click is no box
  called.value = "";
  sketch.classList.add("ov-named");
  sketch.classList.toggle("ov-low", y2 > 0.85); // the field stays within the picture
  sketch.classList.toggle("ov-right", x1 > 0.7);
  called.focus();
});
called.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter") teach();
  if (event.key === "Escape") drawing(false);
});

async function send(file) {
  if (!file) return;
  say("");
  stage.classList.add("ov-busy");
  try {
    const { path } = await upload(file);
    trigger("drop", { path, name: file.name });
  } catch (error) {
    say(`${file.name}: could not be sent: ${error.message || error}`);
  } finally {
    stage.classList.remove("ov-busy");
  }
}

const over = (event) => {
  event.preventDefault();
  stage.classList.toggle("ov-over", event.type === "dragover");
};
stage.addEventListener("dragover", over);
stage.addEventListener("dragleave", over);
stage.addEventListener("drop", (event) => {
  over(event);
  send(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => send(event.clipboardData.files[0]));
chooser.addEventListener("change", () => {
  send(chooser.files[0]);
  chooser.value = ""; // the same file may be chosen again
});
for (const button of element.querySelectorAll(".ov-choose")) {
  button.addEventListener("click", () => chooser.click());
}
window.addEventListener("ovdet:threshold", (event) => {
  least = event.detail;
  sift();
});
watch("value", draw);
draw();
