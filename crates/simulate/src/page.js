"use strict";
// Shows the values of the interval that is pointed at. Without it the page has the same values in its tables.
const data = JSON.parse(document.getElementById("data").textContent);
const charts = [...document.querySelectorAll("figure[data-chart]")];
const isShown = (line) => document.getElementById(`line-${line}`)?.checked ?? true;

function show(chart, index) {
  const { from, to } = data.intervals[index];
  const middle = (from.at + to.at) / 2 / data.seconds;
  for (const each of charts) {
    const cursor = each.querySelector(".cursor");
    cursor.style.left = `${100 * middle}%`;
    cursor.hidden = false;
    if (each !== chart) each.querySelector(".tip").hidden = true;
  }
  const tip = chart.querySelector(".tip");
  const rows = data.charts[Number(chart.dataset.chart)].filter(({ line }) => line === null || isShown(line));
  const time = document.createElement("b");
  time.textContent = `${from.text} to ${to.text}`;
  const list = document.createElement("dl");
  for (const { line, name, swatch, values } of rows) {
    const term = document.createElement("dt");
    term.insertAdjacentHTML("afterbegin", `<svg viewBox="0 0 28 8" aria-hidden="true"><path class="line ${swatch}" d="M0 4H28"/></svg>`);
    term.append(name);
    const value = document.createElement("dd");
    value.textContent = values[index];
    if (line === 0) term.className = value.className = "first";
    list.append(term, value);
  }
  tip.replaceChildren(time, list);
  tip.hidden = false;
  chart.dataset.index = index;
  // Beside the line that is pointed at, on the side that has room.
  const plot = chart.querySelector(".plot");
  const x = plot.offsetLeft + plot.offsetParent.offsetLeft + middle * plot.offsetWidth;
  const isRight = middle < 0.5;
  tip.style.left = isRight ? `${x + 12}px` : "auto";
  tip.style.right = isRight ? "auto" : `${chart.clientWidth - x + 12}px`;
}

function hide() {
  for (const each of charts) {
    each.querySelector(".cursor").hidden = true;
    each.querySelector(".tip").hidden = true;
  }
}

for (const chart of charts) {
  const plot = chart.querySelector(".plot");
  const last = data.intervals.length - 1;
  plot.addEventListener("pointermove", (event) => {
    const { left, width } = plot.getBoundingClientRect();
    const at = ((event.clientX - left) / width) * data.seconds;
    show(chart, Math.max(0, Math.min(last, Math.floor(at / data.interval))));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -last, End: last };
    if (event.key === "Escape") hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    const now = Number(chart.dataset.index ?? 0) + steps[event.key];
    show(chart, Math.max(0, Math.min(last, now)));
  });
}
