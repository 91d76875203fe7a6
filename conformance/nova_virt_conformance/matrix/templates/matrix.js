
"use strict";
(() => {
  const data = document.getElementById("reports");
  const reports = JSON.parse(data.textContent);
  const table = document.querySelector("table");
  const text = document.getElementById("text");
  const rows = [...table.querySelectorAll("tr[data-row]")];
  const buttons = rows.map((row) => [...row.querySelectorAll("button")]);
  const NOT_SHOWN = ["partly", "claimed", "known_failure", "fails"];

  // --- making elements: text is only ever set as text, so nothing in a report can become markup or code ---

  function element(name, className, ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  function symbol(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("class", "symbol");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", "#symbol-" + name);
    svg.append(use);
    return svg;
  }

  function link(address, words) {
    const made = element("a", "", words);
    made.href = address;
    made.rel = "noreferrer";
    return made;
  }

  function isWeb(address) {
    return /^https?:\/\//i.test(address);
  }

  function facts(pairs) {
    const list = element("dl");
    for (const [term, said] of pairs) {
      if (said) list.append(element("dt", "", term), element("dd", "", said));
    }
    return list;
  }

  // --- filter ---

  function wanted(row, cells, words, show) {
    const states = cells.map((cell) => cell.dataset.state);
    const said = (row.dataset.row + " " + row.textContent).toLowerCase();
    if (!words.every((word) => said.includes(word))) return false;
    if (show === "all") return true;
    if (show === "differences") return new Set(states.map((state) => state === "simulated" ? "shown" : state)).size > 1;
    if (show === "open") return states.some((state) => NOT_SHOWN.includes(state));
    return states.includes(show);
  }

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const show = document.querySelector("input[name=show]:checked").value;
    rows.forEach((row, at) => {
      row.hidden = !wanted(row, buttons[at], words, show);
      for (const button of buttons[at]) {
        const matches = show === "open" ? NOT_SHOWN.includes(button.dataset.state) : button.dataset.state === show;
        button.parentElement.classList.toggle("dim", show !== "all" && show !== "differences" && !matches);
      }
    });
    for (const body of table.tBodies) {
      body.hidden = ![...body.querySelectorAll("tr[data-row]")].some((row) => !row.hidden);
    }
    const visible = rows.filter((row) => !row.hidden).length;
    document.getElementById("count").value = visible === rows.length ? rows.length + " rows" : visible + " of " + rows.length + " rows";
    document.getElementById("nothing").hidden = visible > 0;
    table.tHead.hidden = visible === 0;
    const first = buttons.find((_, at) => !rows[at].hidden);
    if (first) enterBy(first[0]);
  }

  function reset() {
    text.value = "";
    document.querySelector("input[name=show][value=all]").checked = true;
    filter();
    text.focus();
  }

  // --- one cell at a time can be reached with Tab, the others from it with the arrow keys ---

  function enterBy(button) {
    for (const other of table.querySelectorAll("button[tabindex='0']")) other.tabIndex = -1;
    button.tabIndex = 0;
  }

  function neighbour(key, button) {
    const shown = buttons.filter((_, at) => !rows[at].hidden);
    const y = shown.findIndex((row) => row.includes(button));
    const x = shown[y].indexOf(button);
    switch (key) {
      case "ArrowLeft": return shown[y][x - 1];
      case "ArrowRight": return shown[y][x + 1];
      case "ArrowUp": return shown[y - 1]?.[x];
      case "ArrowDown": return shown[y + 1]?.[x];
      case "Home": return shown[y][0];
      case "End": return shown[y].at(-1);
      default: return undefined;
    }
  }

  function move(event) {
    const button = event.target.closest("td button");
    if (!button || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = neighbour(event.key, button);
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  // --- details ---

  const dialog = document.querySelector("dialog");
  const sheet = dialog.querySelector(".sheet");
  const OUTCOMES = {
    "failed": "fails",
    "known failure": "known_failure",
    "not verified": "claimed",
    "passed": "shown",
    "not applicable": "unavailable",
  };
  const ORDER = Object.keys(OUTCOMES);

  function open(...content) {
    sheet.replaceChildren(...content);
    dialog.showModal();
    dialog.scrollTop = 0;
    sheet.focus({ preventScroll: true });
  }

  function title(words) {
    const made = element("h2", "", words);
    made.id = "dialog-title";
    return made;
  }

  function behind(report) {
    return (report.backend + " " + report.backend_version).trim();
  }

  function byNature(tests) {
    const alike = new Map();
    for (const test of tests) {
      const nature = JSON.stringify([test.name.split("[")[0], test.outcome, test.reason, test.provisional]);
      alike.set(nature, [...(alike.get(nature) ?? []), test]);
    }
    return [...alike.values()];
  }

  function caseOf(test) {
    return test.name.slice(test.name.indexOf("[") + 1, -1);
  }

  function testItem(cases) {
    const test = cases[0];
    const state = OUTCOMES[test.outcome];
    const seconds = cases.reduce((sum, one) => sum + one.seconds, 0);
    const name = cases.length === 1 ? test.name : test.name.split("[")[0];
    const first = element("p", "", element("span", "outcome", test.outcome));
    if (test.provisional) first.append(" ", element("span", "trial", "on trial, does not count"));
    const meta = element("p", "meta mono", name + " · " + seconds.toFixed(2) + " s");
    const said = element("div", "", first, element("p", "", test.sentence), meta);
    if (cases.length > 1) said.append(element("details", "", element("summary", "", cases.length + " cases"), element("p", "mono", cases.map(caseOf).join(", "))));
    if (test.reason) said.append(element("pre", "", test.reason));
    if (test.link) said.append(element("p", "", "Followed up at ", isWeb(test.link) ? link(test.link, test.link) : test.link));
    return element("li", "test state-" + state, symbol(state), said);
  }

  function answer(report, key, kind) {
    if (kind === "promise") return "nothing to say: every driver owes it";
    const said = report.declared.find((one) => one.key === key);
    if (!said) return "nothing";
    return said.available ? "available" : "not available: " + (said.reason || "no reason given");
  }

  function openCell(button) {
    const row = button.closest("tr");
    const key = row.dataset.row;
    const report = reports[button.dataset.column];
    const state = button.dataset.state;
    const tests = report.tests.filter((test) => test.subjects.includes(key));
    tests.sort((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome) || (a.name < b.name ? -1 : 1));
    const verdict = element("p", "verdict state-" + state, symbol(state), button.querySelector(".word").textContent);
    const list = element("ul", "", ...byNature(tests).map(testItem));
    const words = tests.length === 0 ? "No test of it was run" : tests.length === 1 ? "The test behind it" : "The " + tests.length + " tests behind it";
    const content = [
      element("p", "where", report.driver + " " + report.driver_version + " · " + behind(report)),
      title(row.querySelector(".title").textContent),
      element("p", "", row.querySelector(".sentence").textContent),
      verdict,
      facts([["The endpoint says", answer(report, key, row.dataset.kind)], ["Evidence", report.evidence], ["In a report", element("code", "", key)]]),
      element("h3", "", words),
      list,
    ];
    if (data.dataset.testsPage) content.push(element("p", "", link(data.dataset.testsPage + "#row-" + key.replaceAll("_", "-"), "All tests of the kit for this row")));
    open(...content);
  }

  function profileItems(profiles) {
    return profiles.flatMap((profile) => {
      const state = profile.reached ? "shown" : "unavailable";
      const heading = element("h3", "state-" + state, element("span", "tint", symbol(profile.reached ? "shown" : "open")));
      heading.append(" " + profile.name + (profile.reached ? ": reached" : ": not reached"));
      return [heading, element("ul", "missing", ...profile.missing.map((line) => element("li", "", line)))];
    });
  }

  function openRun(button) {
    const report = reports[button.dataset.column];
    const untested = report.untested.length ? [element("h3", "", "Newer than the kit, without tests"), element("p", "mono", report.untested.join(", "))] : [];
    open(
      element("p", "where", "One run of the conformance kit"),
      title(report.driver + " " + report.driver_version),
      facts([
        ["Backend", behind(report)],
        ["Evidence", report.evidence],
        ["What it is", report.note],
        ["Distribution", element("code", "", report.distribution)],
        ["Commit", report.commit && element("code", "", report.commit)],
        ["Kit", report.kit_version],
        ["Driver API", report.api_version],
        ["Started", report.started.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, " UTC")],
        ["Took", report.seconds.toFixed(1) + " s for " + report.tests.length + " tests"],
        ["Selection", report.selection && element("code", "", "-k " + report.selection)],
        ["Loopback", report.loopback ? "yes: the driver saw only copies that were encoded and decoded" : ""],
      ]),
      ...profileItems(report.profiles),
      ...untested,
    );
  }

  // --- wiring ---

  text.addEventListener("input", filter);
  document.querySelector(".filter").addEventListener("change", filter);
  document.querySelector(".filter").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("reset").addEventListener("click", reset);
  table.addEventListener("keydown", move);
  table.addEventListener("focusin", (event) => { if (event.target.matches("td button")) enterBy(event.target); });
  table.addEventListener("click", (event) => {
    const button = event.target.closest("td button");
    if (button) openCell(button);
  });
  for (const button of document.querySelectorAll("[data-run]")) button.addEventListener("click", () => openRun(button));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !dialog.open && !event.target.matches("input")) {
      event.preventDefault();
      text.focus();
    }
  });
  filter();
})();
