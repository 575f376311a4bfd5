"use strict";
(() => {
  const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const PAGE = 200;
  const MOST_COLUMNS = 40;
  const SHOWN = 100;

  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const unpacked = (ids) =>
    typeof ids === "string" ? Array.from(ids, (digit) => DIGITS.indexOf(digit)) : ids;
  const number = new Intl.NumberFormat("en");

  const start = (root) => {
    const data = JSON.parse(document.getElementById(root.dataset.items + "-data").textContent);
    const truth = unpacked(data.truth);
    const cells = data.cells;
    for (const cell of cells) cell.ids = unpacked(cell.answers);
    const right = truth.map((label, i) => cells.reduce((sum, c) => sum + (c.ids[i] === label), 0));
    const haystack = data.items.map((item, i) =>
      [item, data.places?.[i], data.texts?.[i]].join(" ").toLowerCase());
    const form = root.querySelector("form");
    const field = form.elements;
    const count = root.querySelector(".count");
    const [head, body] = [root.querySelector("thead"), root.querySelector("tbody")];
    const more = root.querySelector(".more");
    let shown = PAGE;

    const labelName = (id) => (id < 0 ? "no label" : data.labels[id] ?? String(id));
    const mark = (cell, i) =>
      cell.ids[i] < 0 ? "none" : cell.ids[i] === truth[i] ? "right" : "wrong";
    const chosen = (name) => (field[name].value === "" ? null : cells[Number(field[name].value)]);

    const models = [...new Set(cells.map((cell) => cell.model))];
    const option = (value, text) => {
      const element = make("option", text);
      element.value = value;
      field.columns.append(element);
    };
    if (data.start.length) option("start", "the cells that decide");
    if (cells.length <= MOST_COLUMNS) option("all", "all cells");
    option("chosen", "the cells chosen");
    models.forEach((model, i) => option(String(i), model));
    if (!data.start.length && cells.length > MOST_COLUMNS) field.columns.value = "0";
    for (const one of field.columns.options) one.defaultSelected = one.selected;

    const columns = () => {
      const picked = [chosen("cell"), chosen("other")].filter(Boolean);
      const value = field.columns.value;
      if (value === "all") return cells;
      if (value === "start") {
        const all = [...data.start.map((i) => cells[i]), ...picked];
        return all.filter((cell, i) => all.indexOf(cell) === i);
      }
      if (value === "chosen") return cells.filter((cell) => picked.includes(cell));
      const own = cells.filter((c) => c.model === models[Number(value)]).slice(0, MOST_COLUMNS);
      return cells.filter((cell) => own.includes(cell) || picked.includes(cell));
    };

    const matching = () => {
      const find = field.find.value.trim().toLowerCase();
      const label = field.label.value === "" ? null : Number(field.label.value);
      const [cell, other, wanted] = [chosen("cell"), chosen("other"), field.mark.value];
      const fits = (c, i) => !wanted || mark(c, i) === wanted;
      const found = [];
      for (let i = 0; i < data.items.length; i += 1) {
        if (find && !haystack[i].includes(find)) continue;
        if (label !== null && truth[i] !== label) continue;
        if (cell ? !fits(cell, i) : !cells.some((c) => fits(c, i))) continue;
        if (other) {
          const differs = (c) => c !== other && fits(c, i) && c.ids[i] !== other.ids[i];
          if (!(cell ? differs(cell) : cells.some(differs))) continue;
        }
        found.push(i);
      }
      if (field.order.value === "hard") found.sort((a, b) => right[a] - right[b] || a - b);
      return found;
    };

    const showHead = (list) => {
      const top = make("tr");
      const fixed = (text, className) => {
        const th = make("th", text, className);
        th.scope = "col";
        th.rowSpan = 2;
        top.append(th);
        return th;
      };
      fixed("item");
      fixed("true label");
      fixed("right", "n");
      const second = make("tr");
      let group = null;
      for (const cell of list) {
        if (!group || group.textContent !== cell.model) {
          group = make("th", cell.model);
          group.scope = "colgroup";
          group.colSpan = 1;
          top.append(group);
        } else group.colSpan += 1;
        const th = make("th", cell.short);
        th.scope = "col";
        second.append(th);
      }
      head.replaceChildren(top, second);
    };

    const row = (i, list) => {
      const tr = make("tr");
      const th = make("th", data.places?.[i] || data.items[i]);
      th.scope = "row";
      const text = data.texts?.[i];
      if (text) {
        const letters = Array.from(text);
        const whole = make("p", text);
        if (letters.length > SHOWN) {
          const details = make("details");
          details.append(make("summary", letters.slice(0, SHOWN).join("") + "…"), whole);
          th.append(details);
        } else th.append(whole);
      }
      tr.append(th, make("td", labelName(truth[i])),
        make("td", right[i] + " of " + cells.length, "n"));
      for (const cell of list) {
        const kind = mark(cell, i);
        const sign = { right: "✓ ", wrong: "✗ ", none: "– " }[kind];
        const percent = cell.percents?.[i] ?? null;
        const probability = percent === null ? "" : " " + (percent / 100).toFixed(2);
        const td = make("td", sign + labelName(cell.ids[i]) + probability, kind);
        if (kind !== "none") td.append(make("i", " " + kind));
        tr.append(td);
      }
      return tr;
    };

    const show = () => {
      const [list, found] = [columns(), matching()];
      showHead(list);
      body.replaceChildren(...found.slice(0, shown).map((i) => row(i, list)));
      more.hidden = found.length <= shown;
      const all = number.format(data.items.length) + (data.items.length === 1 ? " item" : " items");
      const some = found.length === data.items.length
        ? all : number.format(found.length) + " of " + all;
      count.textContent = some + (list.length === cells.length
        ? "" : ", " + list.length + " of " + number.format(cells.length) + " cells as columns");
    };

    const again = () => {
      shown = PAGE;
      show();
    };
    form.addEventListener("input", again);
    form.addEventListener("change", again);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(again));
    more.querySelector("button").addEventListener("click", () => {
      shown += PAGE;
      show();
    });
    form.hidden = false;
    show();
  };

  document.querySelectorAll("[data-items]").forEach(start);

  // A link to a folded section opens it.
  const open = () =>
    document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
})();
