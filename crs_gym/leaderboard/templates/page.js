document.documentElement.classList.add("js");

// Sort a table by a column; each group of agents stays together, and what has no value goes last.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const down = column === 0 ? sorted === "ascending" : sorted !== "descending";  // names from A, figures from the best
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => !row.classList.contains("caption"));
        const key = (row) => row.cells[column].dataset.value;
        const compare = column === 0
          ? (a, b) => key(a).localeCompare(key(b))
          : (a, b) => key(a) - key(b);
        const known = rows.filter((row) => key(row) !== "").sort(compare);
        const unknown = rows.filter((row) => key(row) === "");
        if (down) known.reverse();
        body.append(...known, ...unknown);
      }
    });
  });
}

// One seeker and two agents at a time.
for (const chooser of document.querySelectorAll(".chooser")) {
  const section = chooser.parentElement;
  const [seeker, left, right] = chooser.querySelectorAll("select");
  const show = () => {
    for (const scene of section.querySelectorAll(".scene")) {
      scene.hidden = scene.dataset.scene !== seeker.value;
      for (const dialogue of scene.querySelectorAll(".dialogue")) {
        const chosen = [left.value, right.value].indexOf(dialogue.dataset.agent);
        dialogue.hidden = chosen < 0;
        dialogue.open = chosen >= 0;
        dialogue.style.order = chosen;
      }
    }
  };
  chooser.addEventListener("change", show);
  show();
}
