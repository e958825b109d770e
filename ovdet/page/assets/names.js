// The field of names: what was typed becomes a chip, without the blanks around it; the server
// proposes in a row of its own, which covers nothing and moves nothing.
// Gradio gives element, trigger, props and server.

const chips = element.querySelector(".ov-chips");
const input = element.querySelector("input");
const list = element.querySelector("ul");
let names = [...(props.value || [])];
let proposed = [];
let picked = -1;
let turn = 0;
let pressed = false;

const make = (tag, kind, text) => {
  const made = document.createElement(tag);
  made.className = kind;
  made.textContent = text;
  return made;
};

function chip(name, place) {
  const made = make("span", "ov-chip", name);
  const remove = make("button", "", "×");
  remove.type = "button";
  remove.setAttribute("aria-label", `remove ${name}`);
  remove.onclick = () => change(names.filter((_, i) => i !== place));
  made.append(remove);
  return made;
}

function change(now, event = "edit") {
  names = now;
  chips.replaceChildren(...names.map(chip));
  props.value = names;
  trigger(event);
}

// Text between commas is a name each; blanks around it belong to none.
const split = (text) => text.split(/[,\n]/).map((part) => part.trim());

function add(parts) {
  input.value = "";
  close();
  const fresh = parts.filter((name) => name && !names.includes(name));
  if (fresh.length) change([...names, ...new Set(fresh)]);
}

function close() {
  turn += 1;
  proposed = [];
  picked = -1;
  list.replaceChildren();
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

async function propose() {
  turn += 1;
  const mine = turn;
  const found = await server.suggest(input.value);
  if (mine !== turn) return; // typed on, or done
  proposed = found.filter((name) => !names.includes(name));
  picked = -1;
  list.replaceChildren(...proposed.map(option));
  list.hidden = !proposed.length;
  input.setAttribute("aria-expanded", String(!list.hidden));
}

function option(name, place) {
  const made = make("li", "", "");
  const begun = input.value.trim().toLowerCase();
  const at = name.indexOf(begun);
  made.append(name.slice(0, at), make("b", "", name.slice(at, at + begun.length)));
  made.append(name.slice(at + begun.length));
  made.id = `ov-option-${place}`;
  made.setAttribute("role", "option");
  made.onclick = () => add([name]);
  return made;
}

function pick(step) {
  if (!proposed.length) return;
  picked = (picked + step + proposed.length + 1) % (proposed.length + 1); // the last is none
  [...list.children].forEach((item, i) => item.setAttribute("aria-selected", i === picked));
  input.removeAttribute("aria-activedescendant");
  if (picked === proposed.length) return;
  input.setAttribute("aria-activedescendant", `ov-option-${picked}`);
  list.children[picked].scrollIntoView({ block: "nearest", inline: "nearest" });
}

function enter() {
  if (picked >= 0 && picked < proposed.length) add([proposed[picked]]);
  else if (input.value.trim()) add(split(input.value));
  else trigger("submit");
}

const keys = {
  Enter: enter,
  ArrowDown: () => pick(1),
  ArrowUp: () => pick(-1),
  Escape: close,
};

input.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter ends a word of an input method first
  if (event.key === "Backspace" && !input.value && names.length) change(names.slice(0, -1));
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
input.addEventListener("input", () => {
  if (input.value.includes(",")) add(split(input.value));
  else propose();
});
input.addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text");
  if (!/[,\n]/.test(text)) return;
  event.preventDefault();
  add(split(input.value + text));
});

const settle = () => add(split(input.value));
for (const event of ["pointerdown", "pointerup", "pointercancel"]) {
  document.addEventListener(event, () => (pressed = event === "pointerdown"), true);
}
input.addEventListener("blur", () => {
  if (!pressed) return settle();
  close();
  // One chip more may move the button that is being pressed: first the click, just before it acts.
  document.addEventListener("click", settle, { capture: true, once: true });
});
list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
list.addEventListener("wheel", (event) => {
  event.preventDefault();
  list.scrollLeft += event.deltaX + event.deltaY;
});
element.querySelector(".ov-field").addEventListener("click", () => input.focus());
