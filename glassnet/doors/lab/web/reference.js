// The HTTP API as people read it: every endpoint of this server's OpenAPI document, its fields and limits, a line to copy.

import { get } from "./api.js";
import { el } from "./colours.js";
import { footer, sentence } from "./shell.js";

const KNOWN = { name: "slides", letter: "X" }; // what the lines name where the document has no example
const JSON_KIND = "application/json";

export default async function open(main) {
  const { node, say } = sentence([el("a", { className: "button", href: "/api/openapi.json", textContent: "openapi.json" })]);
  const described = await get("/api/openapi.json");
  const ends = Object.entries(described.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, what]) => ({ path, method: method.toUpperCase(), what })));
  ends.sort((a, b) => b.path.startsWith("/api/predict") - a.path.startsWith("/api/predict"));
  main.append(
    node,
    el("p", { textContent: "Whatever the pages show can be asked for by a program. Answers are JSON, mistakes {\u201cerror\u201d: one line}. A body may have 10,000,000 bytes; 100 requests wait at most, each up to 60 seconds. From another machine every request needs the header authorization: Bearer TOKEN." }),
    el("nav", { className: "ends", ariaLabel: "Endpoints" }, ...ends.map((end) => el("a", { href: `#${idOf(end)}` }, el("code", { textContent: `${end.method} ${end.path}` })))),
    ...ends.map((end) => section(end, described)),
    footer("Files stay on this machine.", []),
  );
  say(["Ask it from a program."], [`${ends.length} endpoints, as this server describes them.`]);
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

const idOf = ({ path, method }) => `${method}${path}`.toLowerCase().replace(/[^a-z]+/g, "-").replace(/-$/, "");

function section(end, described) {
  const { what } = end;
  const fields = [...(what.parameters || []).map((one) => row(one.name, one.in, one.schema, one.required, one.description, described)), ...bodyFields(what, described)];
  const answers = Object.entries(what.responses || {}).filter(([code, one]) => code !== "422" && code !== "200" && one.description);
  return el(
    "section",
    { id: idOf(end), className: "end" },
    el("h2", {}, el("code", { textContent: `${end.method} ${end.path}` })),
    el("p", { textContent: [what.summary, what.description].filter(Boolean).join(". ").replaceAll("`", "").replace(/\.?$/, ".") }),
    ...linesFor(end, described).map(([words, text]) => copied(words, text)),
    ...(fields.length ? [el("table", {}, el("thead", {}, el("tr", {}, ...["field", "in", "type and limits", "what it is"].map((name) => el("th", { scope: "col", textContent: name })))), el("tbody", {}, ...fields))] : []),
    ...examplesOf(what.responses?.["200"]).map(([words, value]) => copied(words, JSON.stringify(value))),
    ...(answers.length ? [el("p", { className: "facts", textContent: `Otherwise: ${answers.map(([code, one]) => `${code}, ${one.description}`).join("; ")}.` })] : []),
  );
}

const schemaOf = (schema = {}, described) => (schema.$ref ? described.components.schemas[schema.$ref.split("/").pop()] : schema);

function bodyFields(what, described) {
  return Object.entries(what.requestBody?.content || {}).flatMap(([kind, { schema, description }]) => {
    const found = schemaOf(schema, described);
    const inside = Object.entries(found.properties || {});
    if (!inside.length) return [row("the body", kind, found, true, description, described)];
    return inside.map(([name, one]) => row(name, kind, one, found.required?.includes(name), one.description, described));
  });
}

function row(name, place, schema, required, words, described) {
  return el("tr", {}, el("th", { scope: "row" }, el("code", { textContent: name })), el("td", { textContent: place.replace("application/", "").replace("multipart/form-data", "form") }), el("td", { textContent: limits(schema, required, described) }), el("td", { textContent: words || "" }));
}

// A schema in words: its type, what it may be, what it is when left out.
function limits(schema, required, described) {
  const one = schema.anyOf?.find((some) => some.type !== "null") || schema;
  const found = schemaOf(one, described);
  const type = found.format === "binary" ? "bytes" : found.type === "array" && found.items ? `list of ${listed(schemaOf(found.items, described))}` : found.type || "anything";
  const [low, high] = [found.minimum ?? found.exclusiveMinimum ?? found.minLength ?? found.minItems, found.maximum ?? found.exclusiveMaximum ?? found.maxLength ?? found.maxItems];
  const range = low !== undefined && high !== undefined ? `${low} to ${high}` : low !== undefined ? `from ${low}` : high !== undefined ? `up to ${high}` : "";
  const unit = found.maxLength || found.minLength ? " letters" : "";
  const usual = schema.default === undefined || schema.default === null || schema.default === "" || typeof schema.default === "object" ? "" : `${schema.default} if left out`;
  return [type, range && range + unit, required ? "needed" : usual].filter(Boolean).join(", ");
}

const listed = (item) => (item.format === "binary" ? "bytes" : item.title || item.type || "anything");

// curl lines: one for each kind of body, and each example of a body.
function linesFor({ path, method, what }, described) {
  const given = (what.parameters || []).filter((one) => one.in === "query" && one.required);
  const query = given.map((one) => `${one.name}=${one.example ?? one.examples?.[0] ?? one.schema.examples?.[0] ?? one.name.toUpperCase()}`).join("&");
  const address = `'${location.origin}${path.replace(/{(\w+)}/g, (_, name) => KNOWN[name] || name.toUpperCase())}${query ? `?${query}` : ""}'`;
  if (method === "GET") return [["", `curl ${address}`]];
  const verb = method === "POST" ? "" : `-X ${method} `;
  const content = what.requestBody?.content || {};
  const kinds = Object.entries(content).flatMap(([kind, { schema, examples }]) => {
    if (kind === "multipart/form-data") return [["several files", `curl ${verb}-F file=@one.png -F file=@two.png ${address}`]];
    if (kind !== JSON_KIND) return [["a file", `curl ${verb}-H 'content-type: ${kind}' --data-binary @one.png ${address}`]];
    const bodies = examples ? Object.entries(examples).map(([words, { value }]) => [words, value]) : [["", bodyOf(schemaOf(schema, described), described)]];
    return bodies.map(([words, body]) => [words, `curl ${verb}-H 'content-type: ${kind}' -d '${JSON.stringify(body)}' ${address}`]);
  });
  return kinds.length ? kinds : [["", `curl -X ${method} ${address}`]];
}

// A body that has what is needed, and what the document has an example of.
function bodyOf(schema, described) {
  const entries = Object.entries(schema.properties || {}).filter(([name, one]) => schema.required?.includes(name) || one.examples);
  return Object.fromEntries(entries.map(([name, one]) => [name, one.examples?.[0] ?? { string: "", integer: 0, number: 0, boolean: false, array: [] }[schemaOf(one, described).type] ?? null]));
}

const examplesOf = (reply) => {
  const given = reply?.content?.[JSON_KIND];
  if (given?.examples) return Object.entries(given.examples).map(([name, { value }]) => [`answer: ${name}`, value]);
  return given?.example ? [["answer", given.example]] : [];
};

function copied(words, text) {
  const button = el("button", { type: "button", textContent: "Copy", ariaLabel: `Copy ${words || "the line"}` });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text).catch(() => {});
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return el("div", { className: "line" }, el("span", { className: "facts", textContent: words }), el("pre", { tabIndex: 0 }, el("code", { textContent: text })), button);
}
