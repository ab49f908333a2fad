"use strict";
(() => {
  const strip = document.getElementById("strip");
  if (!strip) return;
  document.documentElement.classList.add("js");
  const albums = [...strip.querySelectorAll(".album")];
  const [picker, slider, stage] = ["picker", "slider", "stage"].map((name) => strip.querySelector("." + name));
  const range = slider.querySelector("input");
  const [output, stops] = ["output", ".stops"].map((name) => slider.querySelector(name));
  let current = albums[0];
  let share = 0.35;

  const columns = () => [...current.querySelectorAll(".level")];
  const fraction = (column) => Number(column.dataset.fraction);
  const nearest = (list) =>
    list.reduce((best, column, at) => (Math.abs(fraction(column) - share) < Math.abs(fraction(list[best]) - share) ? at : best), 0);

  const block = (name, ...nodes) => {
    const made = document.createElement("div");
    made.className = name;
    made.append(...nodes.filter(Boolean).map((node) => node.cloneNode(true)));
    return made;
  };

  const show = (at) => {
    const list = columns();
    const column = list[at];
    if (!column) return;
    list.forEach((each) => each.classList.toggle("current", each === column));
    share = fraction(column);
    range.value = share;
    range.setAttribute("aria-valuetext", column.dataset.caption);
    output.textContent = column.dataset.caption;
    stage.replaceChildren(
      block("before", current.querySelector(".base")),
      block("after", ...column.querySelectorAll(".shot")),
      block("overall", column.querySelector(".rates")),
    );
    const frame = column.parentElement;
    frame.scrollLeft = column.offsetLeft - frame.clientWidth / 2;
  };

  const stop = (column) => {
    const made = document.createElement("i");
    made.style.setProperty("--at", fraction(column));
    return made;
  };

  const choose = (album) => {
    current = album;
    albums.forEach((each) => {
      each.hidden = each !== album;
      each.open = each === album;
    });
    [...picker.querySelectorAll("button")].forEach((button, at) => button.setAttribute("aria-pressed", albums[at] === album));
    stops.replaceChildren(...columns().map(stop));
    show(nearest(columns()));
  };

  let group = null;
  albums.forEach((album) => {
    if (!group || group.dataset.prompt !== album.dataset.prompt || album.dataset.number === "1") {
      group = document.createElement("div");
      group.className = "of";
      group.dataset.prompt = album.dataset.prompt;
      const name = document.createElement("bdi");
      name.textContent = album.dataset.prompt;
      group.append(name);
      picker.append(group);
    }
    const button = document.createElement("button");
    const picture = album.querySelector(".base img");
    button.type = "button";
    button.setAttribute("aria-label", `Picture ${album.dataset.number} of ${album.dataset.prompt}`);
    button.append(picture ? picture.cloneNode() : album.dataset.number);
    button.addEventListener("click", () => choose(album));
    group.append(button);
    album.querySelectorAll(".level").forEach((column, at) => column.addEventListener("click", () => show(at)));
  });

  range.addEventListener("input", () => {
    share = Number(range.value);
    show(nearest(columns()));
  });
  range.addEventListener("keydown", (event) => {
    const last = columns().length - 1;
    const here = nearest(columns());
    const ways = { ArrowRight: here + 1, ArrowUp: here + 1, PageUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, PageDown: here - 1, Home: 0, End: last };
    if (!(event.key in ways)) return;
    event.preventDefault();
    show(Math.min(last, Math.max(0, ways[event.key])));
  });
  [picker, slider, stage].forEach((part) => (part.hidden = false));
  choose(current);
})();
