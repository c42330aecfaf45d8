//! Files of a chart, or manifests → objects.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use serde_json::Value as Json;

use super::template::{self, Data, Engine, Line, Node, Value};
use super::view::View;
use super::{Object, Place, Source, yaml};

/// What a chart is rendered with.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Its files, by their path in the chart.
    pub files: BTreeMap<String, String>,
    /// Values files that are laid over its own, in that order: name and text.
    pub values: Vec<(String, String)>,
    /// Name of the release.
    pub release: Option<String>,
    /// Namespace of the release.
    pub namespace: String,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Refused {
    /// A values file is no YAML.
    #[error("{file} cannot be read: {reason}")]
    #[diagnostic(help("mend it; `helm lint` reads it too"))]
    Values {
        /// The file.
        file: String,
        /// The parser's words.
        reason: String,
    },
    /// There is no Deployment.
    #[error("no Deployment is in it")]
    #[diagnostic(help("name a chart, a folder of manifests, or a namespace that has one"))]
    NoDeployment,
}

/// A template of the objects that charts made by `helm create` have, for values without a chart.
const BY_CONVENTION: &str = include_str!("conventions.yaml");
/// Its name.
pub(super) const CONVENTIONS: &str = "conventions.yaml";

impl Chart {
    /// Renders the chart; files without a `Chart.yaml` are manifests, and a lone values file is read by convention.
    ///
    /// # Errors
    /// A values file that is no YAML. What a template says that is not understood is noted in the result.
    pub fn read(&self) -> Result<Source, Refused> {
        let mut source = Source::default();
        let is_chart = self.files.contains_key("Chart.yaml");
        if is_chart || self.files.is_empty() {
            self.render(&mut source)?;
        } else {
            for (file, text) in self.files.iter().filter(|(file, _)| is_yaml(file)) {
                plain(file, text, &mut source);
            }
            source.is_installed = true;
        }
        for (file, text) in &self.files {
            let name = file.rsplit('/').next().unwrap_or_default();
            let lower = name.to_lowercase();
            if lower.starts_with("dockerfile")
                || lower.ends_with(".dockerfile")
                || lower == "containerfile"
            {
                source.dockerfiles.push((file.clone(), text.clone()));
            } else if name.ends_with(".py") {
                source.code.push((file.clone(), text.clone()));
            }
        }
        find_adapters(&mut source);
        Ok(source)
    }

    fn render(&self, source: &mut Source) -> Result<(), Refused> {
        let values = self.all_values()?;
        let chart = self.located("Chart.yaml");
        let name = chart
            .get("name")
            .as_text()
            .unwrap_or_else(|| "siamese-uninlu".to_owned());
        let release = self.release.clone().unwrap_or_else(|| name.clone());
        let mut templates = self.templates();
        source.is_only_values = templates.is_empty();
        if templates.is_empty() {
            templates.push((CONVENTIONS.to_owned(), BY_CONVENTION.to_owned()));
        }
        let mut named = BTreeMap::new();
        let mut parsed: Vec<(String, Vec<Node>)> = Vec::new();
        for (file, text) in &templates {
            match template::parse(text, file, &mut named) {
                Ok(nodes) => {
                    // `include (print $.Template.BasePath "/configmap.yaml")` names a file.
                    named.insert(format!("{name}/{file}"), nodes.clone());
                    parsed.push((file.clone(), nodes));
                }
                Err(gap) => drop(source.gaps.insert(gap)),
            }
        }
        if !source.is_only_values {
            let all = parsed
                .iter()
                .flat_map(|(_, nodes)| nodes)
                .chain(named.values().flatten());
            let mut read = template::values_read(all);
            // A chart below this one reads what stands under its name.
            read.extend(dependencies(&chart).into_iter().map(|name| vec![name]));
            source.unused = unused(&values, &read);
        }
        let root = self.root(values, chart, &release);
        let engine = Engine {
            files: &self.files,
            named,
            gaps: RefCell::default(),
        };
        for (file, nodes) in parsed.iter().filter(|(file, _)| is_yaml(file)) {
            let mut root = root.clone();
            if let Data::Map(entries) = &mut root.data {
                entries.insert("Template".into(), template_of(&name, file));
            }
            let rendered = engine.render(nodes, root);
            read_documents(file, &rendered.text, &rendered.lines, source);
        }
        source.gaps.extend(engine.gaps.into_inner());
        // Files beside the templates: the adapter's configuration is seldom a part of the chart.
        for (file, text) in &self.files {
            let is_known =
                file.contains('/') || file.starts_with("values") || file.starts_with("Chart");
            if is_yaml(file) && !is_known {
                plain(file, text, source);
            }
        }
        source.chart = Some(name);
        source.is_installed = self.release.is_some();
        Ok(())
    }

    fn located(&self, file: &str) -> Value {
        let text = self.files.get(file).map(String::as_str).unwrap_or_default();
        let located = yaml::parse(text, 1).unwrap_or_default();
        Value::located(&located, file)
    }

    fn all_values(&self) -> Result<Value, Refused> {
        let own = self
            .files
            .get("values.yaml")
            .map(|text| ("values.yaml", text));
        let given = self.values.iter().map(|(file, text)| (file.as_str(), text));
        let mut values = Value::from(Data::Map(BTreeMap::new()));
        for (file, text) in own.into_iter().chain(given) {
            if text.trim().is_empty() {
                continue;
            }
            let located = yaml::parse(text, 1).map_err(|reason| Refused::Values {
                file: file.to_owned(),
                reason,
            })?;
            if located.value.is_object() {
                values = values.merged(Value::located(&located, file));
            }
        }
        Ok(values)
    }

    /// Helpers come first: templates use what they define.
    fn templates(&self) -> Vec<(String, String)> {
        let mut templates: Vec<(String, String)> = self
            .files
            .iter()
            .filter(|(file, _)| {
                file.starts_with("templates/") && !file.starts_with("templates/tests/")
            })
            .filter(|(file, _)| is_yaml(file) || file.ends_with(".tpl"))
            .map(|(file, text)| (file.clone(), text.clone()))
            .collect();
        templates.sort_by_key(|(file, _)| (is_yaml(file), file.clone()));
        templates
    }

    fn root(&self, values: Value, chart: Value, release: &str) -> Value {
        let mut chart_of_template = BTreeMap::new();
        // Helm writes its fields with a capital.
        if let Data::Map(entries) = chart.data {
            for (key, value) in entries {
                let mut letters = key.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                chart_of_template
                    .insert(first.into_iter().chain(letters).collect::<String>(), value);
            }
        }
        chart_of_template
            .entry("Name".into())
            .or_insert_with(|| release.into());
        chart_of_template
            .entry("Version".into())
            .or_insert_with(|| "0.1.0".into());
        chart_of_template
            .entry("AppVersion".into())
            .or_insert_with(|| "".into());
        let version = Value::from_iter([
            ("Version", "v1.34.0".into()),
            ("GitVersion", "v1.34.0".into()),
            ("Major", "1".into()),
            ("Minor", "34".into()),
        ]);
        Value::from_iter([
            ("Values", values),
            ("Chart", Data::Map(chart_of_template).into()),
            (
                "Release",
                Value::from_iter([
                    ("Name", release.into()),
                    ("Namespace", self.namespace.as_str().into()),
                    ("Service", "Helm".into()),
                    ("Revision", 1.into()),
                    ("IsInstall", true.into()),
                    ("IsUpgrade", false.into()),
                ]),
            ),
            (
                "Capabilities",
                Value::from_iter([
                    ("KubeVersion", version),
                    ("APIVersions", Data::ApiVersions.into()),
                ]),
            ),
            ("Files", Data::Files.into()),
        ])
    }
}

impl Value {
    fn as_text(&self) -> Option<String> {
        match &self.data {
            Data::Text(text) if !text.text.is_empty() => Some(text.text.clone()),
            _ => None,
        }
    }
}

fn template_of(chart: &str, file: &str) -> Value {
    Value::from_iter([
        ("Name", format!("{chart}/{file}").into()),
        ("BasePath", format!("{chart}/templates").into()),
    ])
}

fn is_yaml(file: &str) -> bool {
    file.ends_with(".yaml") || file.ends_with(".yml")
}

fn plain(file: &str, text: &str, source: &mut Source) {
    let lines: Vec<Line> = (1..=text.split('\n').count())
        .map(|line| Line {
            template: Some(Place {
                file: file.to_owned(),
                line,
            }),
            values: Vec::new(),
        })
        .collect();
    read_documents(file, text, &lines, source);
}

fn read_documents(file: &str, text: &str, lines: &[Line], source: &mut Source) {
    for (first, document) in yaml::documents(text) {
        let located = match yaml::parse(&document, first) {
            Ok(located) => located,
            Err(reason) => {
                let place = lines.get(first - 1).and_then(|line| line.template.clone());
                let place = place.unwrap_or(Place {
                    file: file.to_owned(),
                    line: first,
                });
                source
                    .gaps
                    .insert((place, format!("what it renders is no YAML: {reason}")));
                continue;
            }
        };
        let places = located
            .lines
            .iter()
            .map(|(pointer, line)| {
                let line = lines.get(line - 1).cloned().unwrap_or_default();
                let places = line.template.into_iter().chain(line.values).collect();
                (pointer.clone(), places)
            })
            .collect();
        push(
            Object {
                body: located.value,
                places,
            },
            source,
        );
    }
}

/// A `List` is its items.
fn push(object: Object, source: &mut Source) {
    if object.kind() != "List" {
        if !object.kind().is_empty() || is_adapter(&object.body) {
            source.objects.push(object);
        }
        return;
    }
    for (pointer, item) in object.items("/items") {
        let places = object.places.iter().filter_map(|(key, places)| {
            Some((key.strip_prefix(&pointer)?.to_owned(), places.clone()))
        });
        let item = Object {
            body: item.clone(),
            places: places.collect(),
        };
        push(item, source);
    }
}

fn is_adapter(body: &Json) -> bool {
    let rules = body["rules"].as_array().into_iter().flatten();
    rules
        .into_iter()
        .any(|rule| rule["seriesQuery"].is_string())
}

/// The adapter's configuration stands by itself, or in a ConfigMap's text.
fn find_adapters(source: &mut Source) {
    let (adapters, objects): (Vec<Object>, Vec<Object>) = std::mem::take(&mut source.objects)
        .into_iter()
        .partition(|object| is_adapter(&object.body));
    source.objects = objects;
    source.adapters = adapters;
    let maps = source
        .objects
        .iter()
        .filter(|object| object.kind() == "ConfigMap");
    for map in maps {
        for (key, text) in map.entries("/data") {
            let places = map.places(&yaml::step("/data", &key));
            let Ok(located) = yaml::parse(&text, 1) else {
                continue;
            };
            if is_adapter(&located.value) {
                source.adapters.push(Object {
                    body: located.value,
                    places: BTreeMap::from([("/rules".to_owned(), places)]),
                });
            }
        }
    }
}

/// Names under which the charts that this one depends on get their values.
fn dependencies(chart: &Value) -> Vec<String> {
    let Data::List(items) = chart.get("dependencies").data else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| {
            item.get("alias")
                .as_text()
                .or_else(|| item.get("name").as_text())
        })
        .collect()
}

/// Leaves of the values that no template reads. Tables of Helm itself and of charts below it are others' matter.
fn unused(values: &Value, read: &[Vec<String>]) -> Vec<(String, Place)> {
    let mut found = BTreeSet::new();
    collect_unused(values, &mut Vec::new(), read, &mut found);
    found.into_iter().collect()
}

fn collect_unused(
    value: &Value,
    path: &mut Vec<String>,
    read: &[Vec<String>],
    found: &mut BTreeSet<(String, Place)>,
) {
    // Whoever reads all of `.Values`, or something around this value, may read this value too.
    let is_read = read.iter().any(|read| path.starts_with(read));
    let is_outside = path.first().is_some_and(|first| first == "global");
    if is_read || is_outside {
        return;
    }
    let is_partly_read = read.iter().any(|read| read.starts_with(path));
    if let (Data::Map(entries), true) = (&value.data, is_partly_read) {
        for (key, entry) in entries {
            path.push(key.clone());
            collect_unused(entry, path, read, found);
            path.pop();
        }
    } else if let (Some(place), false) = (&value.from, path.is_empty()) {
        found.insert((path.join("."), place.clone()));
    }
}

/// What a namespace holds.
pub fn live(objects: Vec<Json>) -> Source {
    Source {
        objects: objects.into_iter().map(Object::live).collect(),
        is_installed: true,
        is_live: true,
        ..Source::default()
    }
}

/// The selector of the service's pods, and the name of its container.
pub fn running_pods(source: &Source, name: Option<&str>) -> Option<(String, String)> {
    let view = View::of(source, name)?;
    let labels = view.deployment.entries("/spec/selector/matchLabels");
    let labels: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let container = view.deployment.text(&view.in_container("/name")).to_owned();
    (!labels.is_empty()).then(|| (labels.join(","), container))
}
