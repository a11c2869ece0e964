// Draws one explanation: the maps of every layer, and for any value of them the sum that made it.
// All numbers stand in the page; nothing is fetched.

import { readColours } from "./colours.js";
import { drawHeat } from "./heat.js";
import { drawInput } from "./maps.js";
import { data, input, load, steps, three } from "./scene.js";
import { choose, drawSheet } from "./sheet.js";

load(JSON.parse(document.getElementById("data").textContent));

function drawAll() {
  readColours();
  drawSheet();
  drawInput(document.getElementById("seen"), 200);
  drawHeat("voted", data.voted);
  for (const [id, heat] of Object.entries(data.heats)) drawHeat(id, heat);
}

function openAddress() {
  const [name, channel, ...place] = decodeURIComponent(location.hash.slice(1)).split("/");
  const step = name === input.name ? input : steps.find((one) => one.name === name);
  const numbers = [channel, ...place].map((v) => Number(v) - 1);
  if (step && numbers.every((n) => Number.isInteger(n) && n >= 0) && numbers[0] < step.shape[0]) choose(step, numbers[0], three(numbers.slice(1), 0));
  else if (data.start) choose(steps[data.start[0]], data.start[1], three(data.start.slice(2), 0));
}

drawAll();
openAddress();
addEventListener("hashchange", openAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (drawAll(), openAddress()));
