"use strict";
// A moving part that is asked for again leaves its reader where he is: what was scrolled, and where the keyboard was.
const named = (each) => each.id || each.getAttribute("href") || each.getAttribute("aria-label");
let before = "";
let places = new Map();
let focused = "";

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  detail.shouldSwap = detail.shouldSwap && detail.serverResponse !== before;
  before = detail.serverResponse;
  const scrolled = [...detail.target.querySelectorAll("[tabindex]")];
  places = new Map(scrolled.map((each) => [named(each), [each.scrollLeft, each.scrollTop]]));
  focused = detail.target.contains(document.activeElement) ? named(document.activeElement) : "";
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  for (const each of detail.target.querySelectorAll("[tabindex], a[href], button")) {
    if (places.has(named(each))) each.scrollTo(...places.get(named(each)));
    if (focused && named(each) === focused) each.focus({ preventScroll: true });
  }
});
