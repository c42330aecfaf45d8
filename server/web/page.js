// The page for people. Whatever comes from a text or from the server is set as text, never as markup.

import { at, element, isDark, languages, themes } from "./shared.js";

const WORDS = {
  en: {
    skip: "Skip to the text", lead: "One model for many tasks: enter a text and what to extract from it.", dark: "Dark", light: "Light",
    question: "Input", task: "Task", text: "Text", schema: "Schema (JSON)", ask: "Run", shortcut: "or Ctrl + Enter",
    strict: "Answer with one of the labels before |", key: "API key", answer: "Result", nothing: "Nothing has run yet.",
    asking: "Running…", found: "Extracted paths", none: "Nothing found.", json: "As JSON", curl: "As a curl command", copy: "Copy",
    copied: "Copied", own: "Custom schema", type: "Type", unreachable: "The server does not respond.",
    stranger: (status) => `${status}: the response comes from a proxy, not from the server.`,
    time: (all, queue, compute) => `${all} ms in total (queue ${queue} ms, model ${compute} ms)`,
    paths: (count) => (count === 1 ? "1 path" : `${count} paths`),
    noJson: (error) => `Not valid JSON: ${error}`, noObject: "Write an object such as {\"人物\": null}.",
    empty: (place) => `${place} has no types; name at least one.`,
    wrong: (place) => `${place}: write null, or an object with the types to extract for each entity.`,
    able: (tasks) => `This model is trained for: ${tasks.join(", ")}.`, untrained: (task) => `${task} (not trained)`,
    unable: "This model is not trained for this task: expect answers without meaning.",
  },
  zh: {
    skip: "跳到文本", lead: "一个模型支持多种任务：输入文本和要抽取的内容即可。", dark: "深色", light: "浅色",
    question: "输入", task: "任务", text: "文本", schema: "Schema（JSON）", ask: "运行", shortcut: "或 Ctrl + Enter",
    strict: "只从 | 前的标签中选一个作为答案", key: "API 密钥", answer: "结果", nothing: "尚未运行。",
    asking: "运行中…", found: "抽取结果", none: "未抽取到内容。", json: "JSON", curl: "curl 命令", copy: "复制",
    copied: "已复制", own: "自定义 Schema", type: "类型", unreachable: "服务无响应。",
    stranger: (status) => `${status}：响应来自代理，而不是本服务。`,
    time: (all, queue, compute) => `总耗时 ${all} ms（排队 ${queue} ms，推理 ${compute} ms）`,
    paths: (count) => `共 ${count} 条结果`,
    noJson: (error) => `JSON 格式错误：${error}`, noObject: "应为 JSON 对象，例如 {\"人物\": null}。",
    empty: (place) => `${place} 为空，请至少填写一个类型。`,
    wrong: (place) => `${place}：应为 null，或列出下一级类型的对象。`,
    able: (tasks) => `此模型训练过的任务：${tasks.join("、")}。`, untrained: (task) => `${task}（未训练）`,
    unable: "此模型没有训练过这类任务，结果没有参考意义。",
  },
};

// The tasks are conventions on text and schema alone; the examples follow the model's card.
const TASKS = [
  { id: "named-entity-recognition", en: "Named entity recognition", zh: "命名实体识别", text: "1944年毕业于北大的名古屋铁道会长谷口清太郎等人在日本积极筹资，共筹款2.7亿日元，参加捐款的日本企业有69家。", schema: { 人物: null, 地理位置: null, 组织机构: null } },
  { id: "relation-extraction", en: "Relation extraction", zh: "关系抽取", text: "在北京冬奥会自由式中，2月8日上午，滑雪女子大跳台决赛中中国选手谷爱凌以188.25分获得金牌。", schema: { 人物: { "比赛项目(赛事名称)": null, "参赛地点(城市)": null, "选手国籍(国籍)": null } } },
  { id: "event-extraction", en: "Event extraction", zh: "事件抽取", text: "7月28日，天津泰达在德比战中以0-1负于天津天海。", schema: { "胜负(事件触发词)": { 时间: null, 败者: null, 胜者: null, 赛事名称: null } } },
  { id: "aspect-sentiment", en: "Aspect-based sentiment", zh: "属性情感抽取", text: "很满意，音质很好，发货速度快，值得购买", schema: { 属性词: { 情感词: null } } },
  { id: "coreference-resolution", en: "Coreference resolution", zh: "指代消解", text: "是的,不是|李阿姨的妹妹（候选词）今年上小学，她(代词)很喜欢画画。", schema: { "在下面的描述中，代词“她”指代的是“妹妹”吗？": null } },
  { id: "sentiment-classification", en: "Sentiment classification", zh: "情感分类", text: "正向,负向|有点看不下去了，看作者介绍就觉得挺矫情了，文字也弱。", schema: { 情感分类: null } },
  { id: "text-classification", en: "Text classification", zh: "文本分类", text: "民生故事,文化,娱乐,体育,财经,房产,汽车,教育,科技,军事|学校召开2018届升学及出国深造毕业生座谈会就业指导", schema: { 分类: null } },
  { id: "text-matching", en: "Text matching", zh: "文本匹配", text: "相似,不相似|怎样的胸怀才能装下一个世界？&怎样才能装下一个世界？", schema: { 文本匹配: null } },
  { id: "natural-language-inference", en: "Natural language inference", zh: "自然语言推理", text: "蕴含,矛盾,中立|段落1：呃,银行卡挂失了；段落2：银行卡丢了", schema: { "段落2和段落1的关系是：": null } },
  { id: "multiple-choice", en: "Multiple-choice reading comprehension", zh: "选择式阅读理解", text: "A.北京,B.上海,C.杭州|阿里巴巴集团总部位于杭州，由马云在1999年创立。", schema: { "阿里巴巴集团总部在哪里？": null } },
  { id: "reading-comprehension", en: "Extractive reading comprehension", zh: "抽取式阅读理解", text: "大莱龙铁路位于山东省北部环渤海地区，西起位于益羊铁路的潍坊大家洼车站，向东经海化、寿光，终到龙口西站。", schema: { "大莱龙铁路位于哪里？": null } },
];

const COLOURS = 8;
// `tasks` is what the model is trained for; null where its folder does not say.
const page = { language: "en", status: null, answer: null, tasks: null };

function words() {
  return WORDS[page.language];
}

// --- language and theme -------------------------------------------------------------------------------------------

function speak(language) {
  page.language = language;
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = words()[place.dataset.text];
  nameTheme();
  listTasks();
  checkSchema();
  if (page.status) say(page.status);
  if (page.answer) show(page.answer);
}

function nameTheme() {
  at("theme").textContent = isDark() ? words().light : words().dark;
}

// --- the question -------------------------------------------------------------------------------------------------

function listTasks() {
  const select = at("task");
  const chosen = select.value;
  select.replaceChildren(
    ...TASKS.map((task, index) => new Option(isTrained(task) ? task[page.language] : words().untrained(task[page.language]), String(index))),
    new Option(words().own, "own"),
  );
  select.value = chosen || "0";
  noteTask();
}

function isTrained(task) {
  return page.tasks === null || page.tasks.has(task.id);
}

// What the model can do, and what it cannot.
function noteTask() {
  const able = TASKS.filter((task) => page.tasks?.has(task.id)).map((task) => task[page.language]);
  at("able").textContent = able.length ? words().able(able) : "";
  const task = TASKS[Number(at("task").value)];
  at("task-note").textContent = task && !isTrained(task) ? words().unable : "";
}

// With a key, /info needs it too: the page then stays neutral.
async function learnTasks() {
  const response = await fetch("info").catch(() => null);
  const tasks = response?.ok ? (await response.json()).model?.tasks : null;
  if (!tasks?.length) return;
  page.tasks = new Set(tasks);
  listTasks();
}

function take(task) {
  at("text").value = task.text;
  at("schema").value = JSON.stringify(task.schema, null, 2);
  at("strict").checked = false;
  checkSchema();
}

// Why a value is not a valid schema; null when it is valid.
function schemaError(value, place) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return place === "schema" ? words().noObject : words().wrong(place);
  const types = Object.entries(value);
  if (types.length === 0) return words().empty(place);
  for (const [type, nested] of types) {
    const error = nested === null ? null : schemaError(nested, `${place}.${type}`);
    if (error) return error;
  }
  return null;
}

function checkSchema() {
  let problem = null;
  let schema = null;
  try {
    schema = JSON.parse(at("schema").value);
    problem = schemaError(schema, "schema");
  } catch (error) {
    problem = words().noJson(error.message);
  }
  at("schema-error").textContent = problem ?? "";
  at("schema").setAttribute("aria-invalid", String(problem !== null));
  return problem === null;
}

// The schema goes as it is written: its order counts, and JavaScript's objects would put keys such as "1" first.
function body() {
  const strict = at("strict").checked ? ", \"classification\": \"strict\"" : "";
  return `{"text": ${JSON.stringify(at("text").value)}, "schema": ${at("schema").value.trim()}${strict}}`;
}

async function ask(event) {
  event.preventDefault();
  if (at("ask").disabled) return; // Ctrl + Enter comes through while an answer is awaited.
  if (!checkSchema()) {
    at("schema").focus();
    return;
  }
  const sent = body();
  at("ask").disabled = true;
  say(() => words().asking);
  const began = performance.now();
  try {
    const headers = { "content-type": "application/json" };
    if (at("key").value) headers["x-api-key"] = at("key").value;
    const response = await fetch("api/predict", { method: "POST", headers, body: sent });
    const answer = await response.json().catch(() => ({}));
    const took = performance.now() - began;
    if (answer.output) show({ ...answer, text: JSON.parse(sent).text, sent, took, timing: response.headers.get("server-timing") ?? "" });
    else refuse(response.status, answer.error);
  } catch {
    clear();
    say(() => words().unreachable);
  } finally {
    at("ask").disabled = false;
  }
}

function refuse(status, error) {
  clear();
  at("key-row").hidden = at("key-row").hidden && status !== 401;
  const place = error?.place ? ` (${error.place})` : "";
  say(() => (error?.code ? `${status} ${error.code}${place}: ${error.message}` : words().stranger(status)));
}

// --- the answer ---------------------------------------------------------------------------------------------------

function say(status) {
  page.status = status;
  at("status").textContent = status();
}

function clear() {
  page.answer = null;
  for (const id of ["spans", "paths-box"]) at(id).hidden = true;
  at("json").textContent = "";
  at("curl").textContent = "";
}

function show(answer) {
  page.answer = answer;
  const colours = coloursOf(answer.output);
  at("spans").replaceChildren(...marked([...answer.text], spansOf(answer.output), colours));
  at("spans").setAttribute("aria-label", words().text);
  at("spans").hidden = false;
  tabulate(answer.output, colours);
  at("json").textContent = JSON.stringify({ output: answer.output }, null, 2);
  at("curl").textContent = command(answer.sent);
  const part = (name) => Number(/dur=([\d.]+)/.exec(answer.timing.split(",").find((entry) => entry.trim().startsWith(name)) ?? "")?.[1] ?? 0);
  say(() => {
    const found = answer.output.length ? words().paths(answer.output.length) : words().none;
    return `${found} · ${words().time(Math.round(answer.took), part("queue"), part("compute"))}`;
  });
}

// A colour for each type, in the order in which they come.
function coloursOf(output) {
  const types = [...new Set(output.flat().map((step) => step.type))];
  return new Map(types.map((type, index) => [type, `t${index % COLOURS}`]));
}

// Every span once, the longer before the shorter that it holds; empty ones cannot be shown in the text.
function spansOf(output) {
  const known = new Map();
  for (const step of output.flat()) {
    const [start, end] = step.offset;
    if (end > start) known.set(`${start} ${end} ${step.type}`, { start, end, type: step.type });
  }
  return [...known.values()].sort((one, other) => one.start - other.start || other.end - one.end);
}

// The text as nodes. A span that crosses the end of another is continued behind it.
function marked(characters, spans, colours) {
  const nodes = [];
  const open = [{ nodes, end: characters.length }];
  const waiting = [...spans];
  let written = 0;
  const top = () => open[open.length - 1];
  const write = (end) => {
    if (end > written) top().nodes.push(document.createTextNode(characters.slice(written, end).join("")));
    written = Math.max(written, end);
  };
  const close = () => {
    const { mark, nodes: inner, span } = open.pop();
    mark.append(...inner);
    if (span.isLast) mark.append(element("span", "type", span.type));
    top().nodes.push(mark);
  };
  while (waiting.length || open.length > 1) {
    const next = waiting[0];
    if (open.length > 1 && (!next || next.start >= top().end)) {
      write(top().end);
      close();
      continue;
    }
    waiting.shift();
    write(next.start);
    const end = Math.min(next.end, top().end);
    if (end < next.end) {
      const rest = { ...next, start: end };
      const place = waiting.findIndex((span) => span.start > end || (span.start === end && span.end < rest.end));
      waiting.splice(place < 0 ? waiting.length : place, 0, rest);
    }
    const mark = element("mark", colours.get(next.type));
    mark.title = next.type;
    open.push({ mark, nodes: [], end, span: { type: next.type, isLast: end === next.end } });
  }
  write(characters.length);
  return nodes;
}

function tabulate(output, colours) {
  at("paths-box").hidden = output.length === 0;
  at("paths-box").setAttribute("aria-label", words().found);
  const depth = Math.max(0, ...output.map((path) => path.length));
  const head = element("tr");
  for (let level = 1; level <= depth; level += 1) {
    const cell = element("th", "", depth === 1 ? words().type : `${words().type} ${level}`);
    cell.scope = "col";
    head.append(cell);
  }
  document.querySelector("#paths thead").replaceChildren(head);
  document.querySelector("#paths tbody").replaceChildren(
    ...output.map((path) => {
      const row = element("tr");
      for (let level = 0; level < depth; level += 1) row.append(path[level] ? cellOf(path[level], colours) : element("td"));
      return row;
    }),
  );
}

function cellOf(step, colours) {
  const cell = element("td");
  const score = step.score === undefined ? "" : ` ${Math.round(step.score * 100)} %`;
  cell.append(
    element("span", `type ${colours.get(step.type)}`, step.type),
    document.createTextNode(step.span || "∅"),
    element("span", "offset", `${step.offset[0]}–${step.offset[1]}${score}`),
  );
  return cell;
}

function command(sent) {
  const quoted = `'${sent.replaceAll("'", "'\\''")}'`;
  const key = at("key").value ? " -H \"x-api-key: $KEY\"" : "";
  return `curl -s ${new URL("api/predict", document.baseURI)} -H 'content-type: application/json'${key} -d ${quoted}`;
}

async function copy() {
  const text = at("curl").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(at("curl")); // Without https there is no clipboard: select it for the keyboard.
    return;
  }
  at("copy").textContent = words().copied;
  setTimeout(() => (at("copy").textContent = words().copy), 1500);
}

// --- beginning ----------------------------------------------------------------------------------------------------

at("question").addEventListener("submit", ask);
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("question").requestSubmit();
});
at("task").addEventListener("change", () => {
  const task = TASKS[Number(at("task").value)];
  if (task) take(task);
  noteTask();
});
at("schema").addEventListener("input", () => {
  at("task").value = "own";
  noteTask();
  checkSchema();
});
at("copy").addEventListener("click", copy);
page.status = () => words().nothing;
themes(nameTheme);
languages(speak);
take(TASKS[0]);
learnTasks();
