// Shows openapi.json to people: each route with its parameters, its body and its answers.

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function nameOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.oneOf) return schema.oneOf.map(nameOf).join(" or ");
  const type = [schema.type ?? "any"].flat().join(" or ");
  return schema.items ? `${type} of ${nameOf(schema.items)}` : type;
}

function rows(caption, heads, lines) {
  if (lines.length === 0) return [];
  const head = element("tr", "", ...heads.map((title) => element("th", title)));
  const body = lines.map((line) => element("tr", "", ...line.map((cell) => element("td", cell))));
  return [element("table", "", element("caption", caption), element("thead", "", head), element("tbody", "", ...body))];
}

function route(path, method, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => [parameter.name, nameOf(parameter.schema), parameter.description ?? ""]);
  const asked = operation.requestBody ? [["body", nameOf(operation.requestBody.content["application/json"].schema), ""]] : [];
  const answers = Object.entries(operation.responses).map(([status, response]) => [
    status,
    Object.values(response.content ?? {}).map((content) => nameOf(content.schema)).join(", "),
    response.description,
  ]);
  return element(
    "section",
    "",
    element("h2", `${method.toUpperCase()} ${path}`),
    element("p", operation.summary ?? operation.description ?? ""),
    ...rows("Request", ["Name", "Type", "Description"], [...parameters, ...asked]),
    ...rows("Responses", ["Status", "Type", "Description"], answers),
  );
}

function type(name, schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([field, inner]) => [
    required.has(field) ? `${field} *` : field,
    nameOf(inner),
    inner.description ?? "",
  ]);
  const values = (schema.oneOf ?? []).map((one) => [String(one.enum?.[0] ?? ""), one.type ?? "", one.description ?? ""]);
  return element("section", "", element("h2", name), element("p", schema.description ?? ""), ...rows("Fields", ["Name", "Type", "Description"], [...fields, ...values]));
}

const api = await (await fetch("openapi.json")).json();
document.getElementById("routes").append(
  ...Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => route(path, method, operation))),
  ...Object.entries(api.components.schemas).map(([name, schema]) => type(name, schema)),
);
