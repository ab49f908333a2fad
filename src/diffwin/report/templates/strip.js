"use strict";
(() => {
  const strip = document.getElementById("strip");
  if (!strip) return;
  document.documentElement.classList.add("js");
  const albums = [...strip.querySelectorAll(".album")];
  const [picker, slider, stage] = ["picker", "slider", "stage"].map((name) => strip.querySelector("." + name));
  const range = slider.querySelector("input");
  const output = slider.querySelector("output");
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
    range.max = list.length - 1;
    range.value = at;
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

  const choose = (album) => {
    current = album;
    albums.forEach((each) => {
      each.hidden = each !== album;
      each.open = each === album;
    });
    [...picker.querySelectorAll("button")].forEach((button, at) => button.setAttribute("aria-pressed", albums[at] === album));
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

  range.addEventListener("input", () => show(Number(range.value)));
  [picker, slider, stage].forEach((part) => (part.hidden = false));
  choose(current);
})();
