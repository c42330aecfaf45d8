// Shows openapi.json to people: each route with its parameters, its body, its answers and an example.

import { at, element, isDark, languages, themes } from "./shared.js";

const WORDS = {
  en: {
    machine: "Machine-readable:", try: "Try it", dark: "Dark", light: "Light", request: "Request", responses: "Responses", fields: "Fields",
    name: "Name", type: "Type", status: "Status", description: "Description", example: "Example", answer: "Answer", body: "body",
    or: " or ", list: (of) => `array of ${of}`, one: (values) => `one of ${values.join(", ")}`, required: "* required",
  },
  zh: {
    machine: "机器可读：", try: "在线试用", dark: "深色", light: "浅色", request: "请求", responses: "响应", fields: "字段",
    name: "名称", type: "类型", status: "状态码", description: "说明", example: "示例", answer: "应答", body: "请求体",
    or: " 或 ", list: (of) => `${of} 数组`, one: (values) => `取值：${values.join("、")}`, required: "* 必填",
  },
};

// The descriptions of openapi.json in Chinese; one that is missing stays in English.
const CHINESE = {
  "A batch takes far too long: restart the process": "一批计算耗时过长：应重启进程",
  "A code for programs.": "供程序判断的错误码。",
  "A message for people.": "供人阅读的说明。",
  "A path for each leaf of the schema that was found.": "schema 中每个被找到的叶子对应一条路径。",
  "An entity on a path.": "路径上的一个实体。",
  "An object with a key for each type; the value is `null`, or an object with the types to extract for each of its entities. Or a string that contains such an object as JSON. At most 32 levels, 16,384 names of at most 1,000 characters, and 2,048 questions about one text.":
    "对象，每个类型一个键；值为 `null`，或列出下一级类型的对象。也可以是内容为此类对象的 JSON 字符串。最多 32 层、16,384 个名称（每个不超过 1,000 个字符），对一段文本最多提 2,048 个问题。",
  "Extracts what the schema asks for from one text or from several.": "按 schema 从一段或多段文本中抽取内容。",
  "Form of the output.": "输出的形式。",
  "Liveness: whether the model threads make progress, regardless of load.": "存活检查：模型线程是否在推进，与负载无关。",
  "Malformed; `place` says where": "格式错误；`place` 指出位置",
  "Metrics for Prometheus.": "供 Prometheus 抓取的指标。",
  "Of a strict classification only: the label's share among all labels.": "仅用于严格分类：该标签在全部标签中的占比。",
  "One text or several, and the schema of what to extract from them.": "一段或多段文本，以及要抽取内容的 schema。",
  "OpenMetrics text": "OpenMetrics 文本",
  "Readiness: whether the model is loaded and the process is not shutting down, regardless of load.": "就绪检查：模型已加载且进程没有在退出，与负载无关。",
  "Requests are answered": "可以应答请求",
  "Seconds that the caller waits": "调用方愿意等待的秒数",
  "Several texts, at most 64, instead of `text`.": "多段文本，最多 64 段，代替 `text`。",
  "Start, and end (exclusive).": "起点和终点（不含终点）。",
  "The answer to one text.": "对一段文本的应答。",
  "The answer would come after `X-Request-Timeout`": "应答将晚于 `X-Request-Timeout`",
  "The body arrived too slowly": "请求体到达过慢",
  "The body of an error.": "错误的响应体。",
  "The body or a text is too long": "请求体或文本过长",
  "The charset is not UTF-8, or Content-Encoding is not gzip or deflate": "字符集不是 UTF-8，或 Content-Encoding 不是 gzip、deflate",
  "The key is missing or wrong": "缺少密钥，或密钥错误",
  "The model failed on this request": "模型处理此请求时出错",
  "The model is loading, or the process is shutting down": "模型正在加载，或进程正在退出",
  "The model is loading, too many connections or large bodies are open (`Retry-After` says when to retry), or the answer takes longer than max-time":
    "模型正在加载、连接或大请求体过多（何时重试见 `Retry-After`），或应答耗时超过 max-time",
  "The output; for `texts` it is `outputs`, in the same order; with the view `grouped`, entities by type": "输出；使用 `texts` 时为 `outputs`，顺序相同；`view` 为 `grouped` 时按类型列出实体",
  "The process makes progress": "进程在推进",
  "The state of the process.": "进程的状态。",
  "The text that was found.": "找到的文本。",
  "The text; the labels of a classification come before it: `正向,负向|text`.": "文本；分类任务把标签写在前面：`正向,负向|文本`。",
  "The type, as the schema names it.": "类型，与 schema 中的名称相同。",
  "Too much work is queued; `Retry-After` says when to retry": "排队的工作过多；何时重试见 `Retry-After`",
  "Unit of the offsets.": "偏移量的单位。",
  "Version, revision, model with the tasks that it is trained for, precision, device, threads, hot settings in force, and the names of all hot settings that this server knows":
    "版本、修订号、模型及其训练过的任务、精度、设备、线程数、生效的热配置，以及本服务支持的全部热配置名称",
  "Well formed, but over a limit (max-work, the size of the schema or of the answer), or impossible": "格式正确，但超出限制（max-work、schema 或应答的大小），或无法满足",
  "What the server runs: version, model, settings.": "服务的运行信息：版本、模型、配置。",
  "Where in the request.": "在请求中的位置。",
  "Whether the output includes paths that end before a leaf of the schema.": "输出是否包含没有到达 schema 叶子的路径。",
  "Which spans may be an answer.": "哪些片段可以作为答案。",
  "`ok` or `stuck`; `ready`, `loading` or `draining`.": "`ok` 或 `stuck`；`ready`、`loading` 或 `draining`。",
};

const page = { language: "en", api: null };

function words() {
  return WORDS[page.language];
}

function described(text = "") {
  const line = text.replaceAll("\n", " ");
  return page.language === "zh" ? (CHINESE[line] ?? line) : line;
}

function holding(name, text, children) {
  const made = element(name, "", text);
  made.append(...children);
  return made;
}

// A type of its own with a few values is shown by its values.
function nameOf(schema) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    const values = page.api.components.schemas[name]?.enum;
    return values ? words().one(values) : name;
  }
  if (schema.enum) return words().one(schema.enum);
  if (schema.oneOf) return schema.oneOf.map(nameOf).join(words().or);
  const type = [schema.type ?? "any"].flat().join(words().or);
  return schema.items ? words().list(nameOf(schema.items)) : type;
}

function rows(caption, heads, lines) {
  if (lines.length === 0) return [];
  const title = (name) => {
    const cell = element("th", "", words()[name]);
    cell.scope = "col";
    return cell;
  };
  const head = holding("tr", undefined, heads.map(title));
  const body = lines.map((line) => holding("tr", undefined, line.map((cell) => element("td", "", cell))));
  const table = holding("table", undefined, [element("caption", "", caption), holding("thead", undefined, [head]), holding("tbody", undefined, body)]);
  const scroll = holding("div", undefined, [table]);
  scroll.className = "scroll";
  return [scroll];
}

function example(title, content) {
  if (content?.example === undefined) return [];
  return [element("h3", "", title), element("pre", "", JSON.stringify(content.example, null, 2))];
}

function route(path, method, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => [parameter.name, nameOf(parameter.schema), described(parameter.description)]);
  const body = operation.requestBody?.content["application/json"];
  const asked = body ? [[words().body, nameOf(body.schema), ""]] : [];
  const answers = Object.entries(operation.responses).map(([status, response]) => [
    status,
    Object.values(response.content ?? {}).map((content) => nameOf(content.schema)).join(", "),
    described(response.description),
  ]);
  return holding("section", undefined, [
    element("h2", "", `${method.toUpperCase()} ${path}`),
    element("p", "", described(operation.summary ?? operation.description)),
    ...example(words().example, body),
    ...example(words().answer, operation.responses["200"]?.content?.["application/json"]),
    ...rows(words().request, ["name", "type", "description"], [...parameters, ...asked]),
    ...rows(words().responses, ["status", "type", "description"], answers),
  ]);
}

function type(name, schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([field, inner]) => [
    required.has(field) ? `${field} *` : field,
    nameOf(inner),
    described(inner.description) + (inner.example === undefined ? "" : ` ${words().example}: ${JSON.stringify(inner.example)}`),
  ]);
  const values = schema.enum ? [element("p", "", words().one(schema.enum))] : [];
  const stars = required.size ? ` (${words().required})` : "";
  return holding("section", undefined, [
    element("h2", "", name),
    element("p", "", described(schema.description)),
    ...values,
    ...rows(words().fields + stars, ["name", "type", "description"], fields),
  ]);
}

function draw() {
  if (!page.api) return;
  const { paths, components } = page.api;
  at("routes").replaceChildren(
    ...Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => route(path, method, operation))),
    ...Object.entries(components.schemas).map(([name, schema]) => type(name, schema)),
  );
}

function nameTheme() {
  at("theme").textContent = isDark() ? words().light : words().dark;
}

themes(nameTheme);
languages((language) => {
  page.language = language;
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = words()[place.dataset.text];
  nameTheme();
  draw();
});
page.api = await (await fetch("openapi.json")).json();
draw();
