"use strict";
// Prompts down the side, the answers to one of them side by side. What models, judges and people wrote is only ever
// put into text nodes, and the page's policy (its Content-Security-Policy) allows no other script than this one.
//
// The address names what is shown: #lang/id, or an answer, #lang/id/method/model/recipe/seed.

const at = (id) => document.getElementById(id);
const PARTS = { method: "Methods", model: "Models", recipe: "Recipes" };
const LONG = 700; // characters, above which an answer is folded
const REST = 150; // milliseconds without a key, after which a search begins
let data; // as answer_browser.py packs it
let prompts; // with their answers, and these with their judgements
let aim = {}; // the prompt, and the answer, that the address names

// ---- the data

async function unpacked() {
  const packed = atob(at("data").textContent);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function rows(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, place) => Object.fromEntries(names.map((name) => [name, columns[name][place]])));
}

function linked() {
  const texts = (row, ...names) => {
    for (const name of names) row[name] = row[name] === null ? null : data.texts[row[name]];
  };
  const answers = rows(data.answers);
  prompts = rows(data.prompts);
  for (const prompt of prompts) {
    texts(prompt, "text", "english");
    prompt.answers = [];
  }
  for (const answer of answers) {
    texts(answer, "response");
    answer.judgements = [];
    prompts[answer.prompt].answers.push(answer);
  }
  for (const judgement of rows(data.judgements)) {
    texts(judgement, "explanation");
    answers[judgement.answer].judgements.push(judgement);
  }
}

function address(prompt, answer) {
  const parts = [data.languages[prompt.lang][0], prompt.id];
  if (answer) {
    parts.push(...Object.keys(PARTS).map((part) => data[`${part}s`][answer[part]][0]));
    if (answer.seed !== null) parts.push(answer.seed);
  }
  return `#${parts.map(encodeURIComponent).join("/")}`;
}

// ---- choosing

function choice() {
  const form = new FormData(at("choice"));
  const number = (name) => (form.get(name) === "" ? null : Number(form.get(name)));
  const query = form.get("query").trim();
  return {
    order: form.get("order"),
    lang: number("lang"),
    judge: number("judge"),
    match: number("match"),
    least: number("least"),
    most: number("most"),
    search: query && new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu"),
    parts: Object.fromEntries(Object.keys(PARTS).map((part) => [part, new Set(form.getAll(part).map(Number))])),
  };
}

const found = (search, text) => text.search(search) >= 0;

const judged = (answer, wanted) =>
  answer.judgements.filter((each) => wanted.judge === null || each.judge === wanted.judge);

function fits(answer, wanted) {
  const within = ({ score }) =>
    (wanted.least === null && wanted.most === null) ||
    (score !== null && score >= (wanted.least ?? -Infinity) && score <= (wanted.most ?? Infinity));
  return (
    Object.keys(PARTS).every((part) => wanted.parts[part].has(answer[part])) &&
    (wanted.match === null || answer.match === Boolean(wanted.match)) &&
    judged(answer, wanted).some(within)
  );
}

function chosen(wanted) {
  const shown = [];
  for (const prompt of prompts) {
    if (wanted.lang !== null && prompt.lang !== wanted.lang) continue;
    let answers = prompt.answers.filter((answer) => fits(answer, wanted));
    const sought = (texts) => !wanted.search || texts.some((text) => text !== null && found(wanted.search, text));
    if (!sought([prompt.id, prompt.text, prompt.english]))
      answers = answers.filter((answer) =>
        sought([answer.response, ...judged(answer, wanted).map((each) => each.explanation)]));
    if (answers.length) shown.push({ prompt, answers });
  }
  return shown;
}

const known = (values) => values.filter((value) => value !== null);
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
const spread = (values) => (values.length > 1 ? Math.max(...values) - Math.min(...values) : null);
const scores = (answers, wanted) =>
  known(answers.flatMap((answer) => judged(answer, wanted).map((each) => each.score)));

const ORDERS = {
  given: null,
  low: { of: ({ answers }, wanted) => mean(scores(answers, wanted)), says: "mean score", sign: 1 },
  recipes: {
    of: ({ answers }, wanted) => {
      const of = (recipe) => answers.filter((answer) => answer.recipe === recipe);
      return spread(known(data.recipes.map((_, recipe) => mean(scores(of(recipe), wanted)))));
    },
    says: "recipes’ mean scores differ by",
    sign: -1,
  },
  judges: {
    of: ({ answers }) =>
      mean(known(answers.map((answer) => spread(known(answer.judgements.map((each) => each.rating)))))),
    says: "judges’ ratings differ on average by",
    sign: -1,
  },
};

function ordered(shown, wanted) {
  const order = ORDERS[wanted.order];
  if (!order) return shown;
  for (const each of shown) {
    each.value = order.of(each, wanted);
    each.says = each.value === null ? "nothing to compare" : `${order.says} ${digits(each.value)}`;
  }
  const last = (value) => (value === null ? Infinity : order.sign * value);
  return shown.sort((one, other) => last(one.value) - last(other.value) || 0); // of two infinities, NaN
}

// ---- showing

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null)); // a string becomes a text node
  return made;
}

const digits = (number) => String(Number(number.toFixed(2)));
const count = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

function written(text, lang, search, kind = "") {
  const made = element("p", { class: `text ${kind}`.trim(), dir: "auto", lang });
  let past = 0;
  for (const hit of search ? text.matchAll(search) : []) {
    made.append(text.slice(past, hit.index), element("mark", {}, hit[0]));
    past = hit.index + hit[0].length;
  }
  made.append(text.slice(past));
  return made;
}

function folded(text, answer, wanted) {
  const search = wanted.search;
  if (answer.response.length <= LONG || (search && found(search, answer.response))) return [text];
  const button = element("button", { type: "button", "aria-expanded": "false" }, "Show all of it");
  button.onclick = () => {
    const open = !text.classList.toggle("long");
    button.setAttribute("aria-expanded", open);
    button.textContent = open ? "Show less of it" : "Show all of it";
  };
  text.classList.add("long");
  return [text, button];
}

function judgement(each, wanted) {
  const score = each.score === null ? "no score" : digits(each.score);
  const badge = element("span", { class: "score" }, score);
  badge.style.setProperty("--share", (each.score ?? 0) / data.highest);
  const repeats = each.ratings ? ` (mean of ${each.ratings.map((rating) => rating ?? "none").join(", ")})` : "";
  const rating = each.rating === null ? "no rating" : `rating ${digits(each.rating)}${repeats}`;
  return element("div", { class: "judgement" },
    element("p", {}, element("span", { class: "quiet" }, "Score "), badge, ` ${rating} by ${data.judges[each.judge]}`),
    each.explanation
      ? written(each.explanation, null, wanted.search)
      : element("p", { class: "quiet" }, "No explanation."));
}

function card(answer, prompt, wanted, heading) {
  const [name, lang] = answer.found === null ? ["no language", null] : data.found[answer.found];
  const certain = answer.found === null ? "" : ` (${digits(answer.probability)})`;
  const recipe = data.recipes[answer.recipe][1];
  const whose = `${heading}, ${recipe}`;
  const text = written(answer.response, lang ?? data.languages[prompt.lang][0], wanted.search);
  const answered = answer.match ? "✓" : "✗ answered in";
  const link = { class: "quiet", href: address(prompt, answer), "aria-label": `Link to the answer of ${whose}` };
  return element("article", { tabindex: "-1", "aria-label": whose },
    element("header", {},
      element("h4", {}, recipe),
      element("a", link, "link")),
    element("p", { class: "facts" },
      element("span", { class: answer.match ? null : "wrong" }, `${answered} ${name}${certain}`),
      `, ${count([...answer.response].length, "character")}`),
    ...(answer.response ? folded(text, answer, wanted) : [element("p", { class: "quiet" }, "The answer is empty.")]),
    ...judged(answer, wanted).map((each) => judgement(each, wanted)));
}

function byTraining(answers) {
  const groups = new Map();
  for (const answer of answers) {
    const key = [answer.model, answer.method, answer.seed].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), answer]);
  }
  return [...groups.values()];
}

function headingOf({ model, method, seed }) {
  return [data.models[model][1], data.methods[method][1], ...(seed === null ? [] : [`seed ${seed}`])].join(", ");
}

function showPrompt(prompt, answers, wanted) {
  const [code, language] = data.languages[prompt.lang];
  at("heading").textContent = `${language}, prompt ${prompt.id}`;
  at("asked").replaceChildren(written(prompt.text, code, wanted.search));
  if (prompt.english !== null)
    at("asked").append(element("p", { class: "quiet" }, "In English:"), written(prompt.english, "en", wanted.search));
  const recipes = [...new Set(answers.map((answer) => answer.recipe))].sort((one, other) => one - other);
  at("answers").replaceChildren();
  for (const group of byTraining(answers)) {
    const heading = headingOf(group[0]);
    const row = element("div", { class: "row" });
    row.style.setProperty("--columns", recipes.length);
    for (const answer of group) {
      const made = card(answer, prompt, wanted, heading);
      made.style.setProperty("--column", recipes.indexOf(answer.recipe) + 1);
      made.classList.toggle("linked", answer === aim.answer);
      row.append(made);
    }
    at("answers").append(element("h3", {}, heading), row);
  }
}

function showList(shown, current) {
  at("prompts").replaceChildren(...shown.map(({ prompt, says }) => {
    const [code, language] = data.languages[prompt.lang];
    return element("li", {},
      element("a", { href: address(prompt), "aria-current": prompt === current?.prompt ? "true" : null },
        element("span", { class: "text", dir: "auto", lang: code }, prompt.text),
        element("span", { class: "quiet" }, [language, prompt.id, says].filter(Boolean).join(" · "))));
  }));
  const place = shown.indexOf(current);
  const step = (to, says) => (shown[to] ? [element("a", { href: address(shown[to].prompt) }, says)] : []);
  at("steps").replaceChildren(...step(place - 1, "← before"), ...step(place + 1, "next →"));
}

function show() {
  const wanted = choice();
  const shown = ordered(chosen(wanted), wanted);
  const number = shown.reduce((sum, { answers }) => sum + answers.length, 0);
  at("told").textContent = `${count(shown.length, "prompt")}, ${count(number, "answer")}`;
  const current = shown.find(({ prompt }) => prompt === aim.prompt) ?? shown[0];
  showList(shown, current);
  if (current) showPrompt(current.prompt, current.answers, wanted);
  else for (const id of ["heading", "asked", "answers"]) at(id).replaceChildren();
}

// ---- following a link

function aimOf(hash) {
  const prompt = prompts.find((each) => hash === address(each) || hash.startsWith(`${address(each)}/`));
  return { prompt, answer: prompt?.answers.find((answer) => hash === address(prompt, answer)) };
}

function hidden({ prompt, answer }) {
  const shown = chosen(choice()).find((each) => each.prompt === prompt);
  return prompt && !(answer ? shown?.answers.includes(answer) : shown);
}

function follow() {
  aim = aimOf(location.hash);
  const cleared = hidden(aim);
  if (cleared) at("choice").reset();
  show();
  if (cleared) at("told").append("; the filters are cleared, they hid what the link leads to");
  document.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  if (!aim.prompt) return;
  const place = document.querySelector(".linked") ?? at("heading");
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: aim.answer ? "center" : "start" });
}

// ---- the start

function offer() {
  const choices = { lang: data.languages.map(([, name]) => name), judge: data.judges };
  for (const [id, names] of Object.entries(choices)) {
    at(id).append(...names.map((name, place) => element("option", { value: place }, name)));
    for (const each of [at(id), document.querySelector(`[for=${id}]`)]) each.hidden = names.length === 1;
  }
  if (data.judges.length === 1) document.querySelector("[value=judges]").remove();
  for (const [part, title] of Object.entries(PARTS)) {
    const boxes = data[`${part}s`].map(([, name], place) =>
      element("label", {}, element("input", { type: "checkbox", name: part, value: place, checked: "" }), ` ${name}`));
    const all = (checked) => () => {
      for (const box of at("parts").querySelectorAll(`[name=${part}]`)) box.checked = checked;
      show();
    };
    const buttons = [["all", true], ["none", false]].map(([says, checked]) => {
      const button = element("button", { type: "button", "aria-label": `${title}: ${says}` }, says);
      button.onclick = all(checked);
      return button;
    });
    const set = element("fieldset", { "aria-label": title }, ...buttons, ...boxes);
    at("parts").append(element("details", {}, element("summary", {}, `${title} (${boxes.length})`), set));
  }
}

function listen() {
  let rest;
  at("choice").oninput = ({ target }) => {
    clearTimeout(rest);
    rest = setTimeout(show, target.name === "query" ? REST : 0);
  };
  at("choice").onsubmit = (event) => event.preventDefault();
  at("clear").onclick = () => {
    at("choice").reset();
    show();
  };
  at("skip").onclick = () => at("heading").focus();
  at("prompts").onkeydown = (event) => {
    const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const next = to && event.target.closest("li")[to];
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
  };
  addEventListener("hashchange", follow);
}

async function start() {
  if (!("DecompressionStream" in window)) {
    at("told").textContent = "This browser is too old for this page: it cannot unpack the answers.";
    return;
  }
  data = await unpacked();
  linked();
  offer();
  listen();
  follow();
  document.documentElement.dataset.ready = Math.round(performance.now()); // milliseconds until the first row
}

start();
