// Filters the operations and types by all words that are typed, and opens what a link points to.
const entries = [...document.querySelectorAll("details")];
const texts = entries.map((entry) => entry.textContent.toLowerCase());
const filter = document.querySelector("input");
const count = document.querySelector("output");

const show = () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  entries.forEach((entry, at) => {
    entry.hidden = !words.every((word) => texts[at].includes(word));
  });
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
  count.value = words.length ? `${entries.filter((entry) => !entry.hidden).length} found` : "";
};

const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName !== "DETAILS") return;
  filter.value = "";
  show();
  target.open = true;
  target.scrollIntoView();
};

filter.addEventListener("input", show);
addEventListener("hashchange", open);
show();
open();
