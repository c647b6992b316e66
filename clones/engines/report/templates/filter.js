"use strict";
for (const form of document.querySelectorAll("form.filter")) {
  const chapter = form.closest("section");
  const text = form.querySelector("input[type=search]");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const told = form.querySelector("output");
  const apply = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const group of chapter.querySelectorAll("article[data-severity]")) {
      const about = group.querySelector("header").textContent.toLowerCase();
      let any = false;
      for (const place of group.querySelectorAll("[data-place]")) {
        const all = about + place.textContent.toLowerCase();
        place.hidden = !(wanted.has(group.dataset.severity) && words.every((word) => all.includes(word)));
        any ||= !place.hidden;
        shown += place.hidden ? 0 : 1;
      }
      group.hidden = !any;
    }
    told.textContent = shown + (shown === 1 ? " place" : " places");
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
}
const reveal = () => {
  const wanted = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let each = wanted; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (wanted) wanted.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "copied";
    });
  }
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
