// Chooses a box on the picture and shows why it is there; marks a feature wherever it counts. All words stand in the page.

const picture = document.getElementById("picture");
const boxes = [...picture.querySelectorAll(".box")];
const opens = (box) => box.getAttribute("aria-controls");
const panel = (box) => document.getElementById(opens(box));
const of = (name, mark) => document.querySelector(`${name}[data-of="${mark}"]`);
let chosen = null;

function choose(box, keep = true) {
  chosen = box;
  for (const one of boxes) {
    const on = one === box;
    one.classList.toggle("on", on);
    one.setAttribute("aria-pressed", String(on));
    panel(one).hidden = !on;
    panel(one).classList.toggle("alone", on);
    of(".tag", opens(one)).classList.toggle("on", on);
  }
  point(box);
  document.getElementById("where").textContent = `${boxes.indexOf(box) + 1} of ${boxes.length}: ${of(".tag", opens(box)).textContent}`;
  if (keep) history.replaceState(null, "", `#${opens(box)}`);
}

// What gave way to a box is shown while it is chosen, pointed at or focused.
function point(box) {
  for (const one of boxes) {
    const on = one === box || one === chosen;
    of(".removed", opens(one))?.classList.toggle("on", on);
    of(".tag", opens(one)).classList.toggle("shown", one === box);
  }
}

// The smallest of the boxes under a place, so that one inside another can be chosen.
function under(event) {
  const frame = picture.getBoundingClientRect();
  const [width, height] = [picture.viewBox.baseVal.width, picture.viewBox.baseVal.height];
  const scale = Math.min(frame.width / width, frame.height / height);
  const x = (event.clientX - frame.left - (frame.width - width * scale) / 2) / scale;
  const y = (event.clientY - frame.top - (frame.height - height * scale) / 2) / scale;
  const sides = (box) => ["x", "y", "width", "height"].map((name) => Number(box.querySelector(".under").getAttribute(name)));
  const there = boxes.filter((box) => {
    const [left, top, wide, high] = sides(box);
    return x >= left && x <= left + wide && y >= top && y <= top + high;
  });
  return there.sort((a, b) => sides(a)[2] * sides(a)[3] - sides(b)[2] * sides(b)[3])[0];
}

function walk(from, by) {
  const next = boxes[(boxes.indexOf(from) + by + boxes.length) % boxes.length];
  choose(next);
  return next;
}

function markFeature(number) {
  const on = document.querySelector(`.feature.on[data-feature="${number}"]`) ? null : number;
  for (const row of document.querySelectorAll(".feature")) {
    row.classList.toggle("on", row.dataset.feature === on);
    row.querySelector("button").setAttribute("aria-pressed", String(row.dataset.feature === on));
  }
  const found = boxes.filter((box) => box.dataset.features !== undefined);
  const fed = found.filter((box) => on && box.dataset.features.split(" ").includes(on));
  for (const box of boxes) of(".tag", opens(box)).classList.toggle("fed", fed.includes(box));
  document.getElementById("told").textContent = on ? `Feature ${on} is among those that count most for ${fed.length} of ${found.length} boxes; a dot marks them on the picture.` : "";
}

function openAddress() {
  const box = boxes.find((one) => `#${opens(one)}` === location.hash);
  choose(box || boxes[0], Boolean(box));
}

for (const box of boxes) {
  box.addEventListener("focus", () => point(box));
  box.addEventListener("blur", () => point(chosen));
  box.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) walk(box, by).focus();
    else if (event.key === "Enter" || event.key === " ") choose(box);
    else return;
    event.preventDefault();
  });
}
picture.addEventListener("click", (event) => {
  const box = event.detail ? under(event) : event.target.closest(".box");
  if (box) choose(box);
});
picture.addEventListener("mousemove", (event) => point(under(event) || chosen));
picture.addEventListener("mouseleave", () => point(chosen));
for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", () => walk(chosen, Number(button.dataset.step)));
for (const row of document.querySelectorAll(".feature")) row.querySelector("button").addEventListener("click", () => markFeature(row.dataset.feature));
for (const button of document.querySelectorAll("[data-gone]")) {
  const gone = of(".removed", button.closest(".why").id).children[Number(button.dataset.gone)];
  for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) button.addEventListener(event, () => gone.classList.toggle("look", on));
}
if (boxes.length) {
  document.querySelector(".walk").hidden = false;
  openAddress();
  addEventListener("hashchange", openAddress);
}
