//! Files of a chart, or manifests → objects.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use serde_json::Value as Json;

use super::modern::modern;
use super::template::{self, Data, Engine, Line, Node, Value};
use super::view::View;
use super::{Object, Place, Source, yaml};
use crate::rules::Fields;

/// What a chart is rendered with.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Its files, by their path in the chart.
    pub files: BTreeMap<String, String>,
    /// Names of the charts that lie in its `charts` folder.
    pub below: Vec<String>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
    /// Values files that are merged into its own, in that order: name and text.
    pub values: Vec<(String, String)>,
    /// Name of the release.
    pub release: Option<String>,
    /// Namespace of the release.
    pub namespace: String,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Refused {
    /// A values file or `Chart.yaml` is no YAML.
    #[error("{place} cannot be read: {reason}")]
    #[diagnostic(help("fix the line; `helm lint` reads the file too"))]
    Values {
        /// The file and its line.
        place: Place,
        /// The parser's words.
        reason: String,
    },
    /// A template that does not end, or makes more than a manifest can be.
    #[error("{place}: {reason}")]
    #[diagnostic(help(
        "bound the loop, the recursion or the width in this line; `helm template DIR > FILE`, then `uninlu import yaml FILE`, reads what Helm makes of it"
    ))]
    Stopped {
        /// The template's line.
        place: Place,
        /// Which bound was reached.
        reason: String,
    },
    /// There is no Deployment, and something could not be read.
    #[error("{place}: {reason}")]
    #[diagnostic(help("fix the line: no Deployment is in what could be read{more}"))]
    Unread {
        /// The line.
        place: Place,
        /// What is not understood there.
        reason: String,
        /// How many places more.
        more: String,
    },
    /// There is no Deployment, and something else that runs pods.
    #[error("`{name}`{place} is a {kind}, and a stack is a Deployment")]
    #[diagnostic(help("{help}"))]
    OtherWorkload {
        /// Its name.
        name: String,
        /// Where it is written, in brackets.
        place: String,
        /// Its kind.
        kind: String,
        /// What to do.
        help: String,
    },
    /// There is no Deployment.
    #[error("no Deployment is in it{found}")]
    #[diagnostic(help("name a chart, a folder of manifests, or a namespace that has one"))]
    NoDeployment {
        /// What was read instead.
        found: String,
    },
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
        for (file, reason) in &self.unread {
            let place = Place {
                file: file.clone(),
                line: 1,
            };
            source.gaps.insert((place, reason.clone()));
        }
        let is_chart = self.files.contains_key("Chart.yaml");
        if is_chart || self.files.is_empty() {
            self.render(&mut source)?;
        } else {
            for (file, text) in self.files.iter().filter(|(file, _)| is_manifest(file)) {
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
        let values = self.all_values(source)?;
        let chart = self.located("Chart.yaml")?;
        source.excluded = excluded(&chart);
        let name = chart
            .get("name")
            .as_text()
            .unwrap_or_else(|| "siamese-uninlu".to_owned());
        let release = self.release.clone().unwrap_or_else(|| name.clone());
        let mut templates = self.templates();
        let mut below = dependencies(&chart);
        let is_new = |name: &&String| !below.iter().any(|known| name.starts_with(known.as_str()));
        let others: Vec<String> = self.below.iter().filter(is_new).cloned().collect();
        below.extend(others);
        source.is_only_values = templates.is_empty() && below.is_empty();
        if source.is_only_values {
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
        let depends_at = chart.get("dependencies").from.unwrap_or_else(|| Place {
            file: "Chart.yaml".to_owned(),
            line: 1,
        });
        let root = self.root(values, chart, &release);
        let engine = Engine::new(&self.files, named);
        for (file, nodes) in parsed.iter().filter(|(file, _)| is_rendered(file)) {
            let mut root = root.clone();
            root.insert("Template", template_of(&name, file));
            let rendered = engine
                .render(nodes, root)
                .map_err(|(place, reason)| Refused::Stopped { place, reason })?;
            read_documents(file, &rendered.text, &rendered.lines, source);
        }
        source.gaps.extend(engine.gaps.into_inner());
        let is_deployment = |object: &Object| object.kind() == "Deployment";
        if !below.is_empty() && !source.objects.iter().any(is_deployment) {
            let what = format!(
                "the charts that this one depends on ({}) are not rendered; `helm template DIR > FILE`, then `uninlu import yaml FILE`, reads them too",
                below.join(", ")
            );
            source.gaps.insert((depends_at, what));
        }
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

    fn located(&self, file: &str) -> Result<Value, Refused> {
        let text = self.files.get(file).map(String::as_str).unwrap_or_default();
        let located = yaml::parse(text, 1).map_err(|fault| unreadable(file, fault))?;
        Ok(Value::located(&located, file))
    }

    fn all_values(&self, source: &mut Source) -> Result<Value, Refused> {
        let own = self
            .files
            .get("values.yaml")
            .map(|text| ("values.yaml", text));
        let given = self.values.iter().map(|(file, text)| (file.as_str(), text));
        let mut values = Value::map(BTreeMap::new());
        for (file, text) in own.into_iter().chain(given) {
            for (index, (first, document)) in yaml::documents(text).iter().enumerate() {
                let located =
                    yaml::parse(document, *first).map_err(|fault| unreadable(file, fault))?;
                let at = |line| Place {
                    file: file.to_owned(),
                    line,
                };
                if index > 0 {
                    let what = "another document in a values file: Helm 4 merges it into the first, Helm 3 drops it";
                    source.ambiguous.insert((at(*first), what.to_owned()));
                }
                for (pointer, before, holds) in &located.repeated {
                    source
                        .ambiguous
                        .insert(repetition(pointer, *before, at(*holds)));
                }
                match &located.value {
                    Json::Null => (),
                    Json::Object(_) => values = values.merged(Value::located(&located, file)),
                    other => {
                        let reason = format!("it is {}, and values are a map", words(other));
                        let line = *first;
                        return Err(unreadable(file, yaml::Fault { line, reason }));
                    }
                }
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
            .filter(|(file, _)| is_rendered(file) || file.ends_with(".tpl"))
            .map(|(file, text)| (file.clone(), text.clone()))
            .collect();
        templates.sort_by_key(|(file, _)| (is_rendered(file), file.clone()));
        templates
    }

    fn root(&self, values: Value, chart: Value, release: &str) -> Value {
        let mut chart_of_template = BTreeMap::new();
        // Helm writes its fields with a capital.
        if let Data::Map(entries) = &chart.data {
            for (key, value) in entries.iter() {
                let mut letters = key.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                let key: String = first.into_iter().chain(letters).collect();
                chart_of_template.insert(key, value.clone());
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
            ("Version", format!("v{KUBERNETES}").into()),
            ("GitVersion", format!("v{KUBERNETES}").into()),
            ("Major", "1".into()),
            ("Minor", "34".into()),
        ]);
        Value::from_iter([
            ("Values", values),
            ("Chart", Value::map(chart_of_template)),
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

fn template_of(chart: &str, file: &str) -> Value {
    Value::from_iter([
        ("Name", format!("{chart}/{file}").into()),
        ("BasePath", format!("{chart}/templates").into()),
    ])
}

/// The Kubernetes with which templates are rendered.
const KUBERNETES: &str = "1.34.0";

/// A `kubeVersion` of the chart that excludes the Kubernetes with which it is rendered: its place, and the words.
fn excluded(chart: &Value) -> Option<(Place, String)> {
    let range = chart.get("kubeVersion");
    let place = range.from.clone()?;
    let text = range.as_text()?;
    match template::semver_matches(&text, KUBERNETES) {
        Ok(true) => None,
        Ok(false) => Some((
            place,
            format!("`kubeVersion: {text}` excludes Kubernetes {KUBERNETES}"),
        )),
        Err(_) => Some((
            place,
            format!("`kubeVersion: {text}` is not a range of versions"),
        )),
    }
}

fn unreadable(file: &str, fault: yaml::Fault) -> Refused {
    Refused::Values {
        place: Place {
            file: file.to_owned(),
            line: fault.line,
        },
        reason: fault.reason,
    }
}

/// The last of two equal keys holds, in Helm and kubectl.
fn repetition(pointer: &str, before: usize, holds: Place) -> (Place, String) {
    let key = pointer.rsplit('/').next().unwrap_or_default();
    let key = key.replace("~1", "/").replace("~0", "~");
    let what = format!("`{key}` is set twice: this one holds, line {before} is dropped");
    (holds, what)
}

/// A template whose output is manifests.
fn is_rendered(file: &str) -> bool {
    is_yaml(file) || file.ends_with(".json")
}

fn is_yaml(file: &str) -> bool {
    file.ends_with(".yaml") || file.ends_with(".yml")
}

/// What may hold manifests: YAML, JSON, and what was named without an ending (`/dev/stdin`).
fn is_manifest(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let is_plain = !name.contains('.') && !name.to_lowercase().starts_with("dockerfile");
    is_yaml(file)
        || file.ends_with(".json")
        || (is_plain && name != "Containerfile" && name != "LICENSE")
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
    let place_of = |line: usize| {
        let place = lines.get(line - 1).and_then(|line| line.template.clone());
        place.unwrap_or(Place {
            file: file.to_owned(),
            line,
        })
    };
    for (first, document) in yaml::documents(text) {
        // JSON allows what YAML 1.1 does not, and several objects behind one another: kubectl reads it as JSON.
        let json = || yaml::json(&document, first);
        let all = match json().filter(|all| all.len() > 1) {
            Some(several) => Ok(several),
            None => yaml::parse(&document, first)
                .map(|located| vec![located])
                .or_else(|fault| json().ok_or(fault)),
        };
        let all = match all {
            Ok(all) => all,
            Err(fault) => {
                let reason = format!("this is not YAML: {}", fault.reason);
                source.gaps.insert((place_of(fault.line), reason));
                continue;
            }
        };
        for located in all {
            for (pointer, before, holds) in &located.repeated {
                let before = place_of(*before).line;
                let found = repetition(pointer, before, place_of(*holds));
                source.ambiguous.insert(found);
            }
            match why_no_object(&located.value) {
                Some(reason) => {
                    let line = located.lines.values().min().copied().unwrap_or(first);
                    source.gaps.insert((place_of(line), reason));
                }
                None => push(placed(located, lines), source),
            }
        }
    }
}

/// Why kubectl and Helm refuse what is YAML all the same.
fn why_no_object(value: &Json) -> Option<String> {
    let is_meant = |key: &str| value.get(key).is_some();
    match value {
        Json::Null => None,
        Json::Object(_) if value["kind"].is_null() => (is_meant("apiVersion")
            && is_meant("metadata"))
        .then(|| "an object without `kind`".to_owned()),
        Json::Object(_) => None,
        other => Some(format!("this is {}, and an object is a map", words(other))),
    }
}

const fn words(value: &Json) -> &'static str {
    match value {
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
        Json::String(_) => "a text",
        _ => "a single value",
    }
}

/// The object, with the lines of its template and of the values that went into it.
fn placed(located: yaml::Located, lines: &[Line]) -> Object {
    let places = located.lines.into_iter().map(|(pointer, line)| {
        let line = lines.get(line - 1).cloned().unwrap_or_default();
        let places = line.template.into_iter().chain(line.values).collect();
        (pointer, places)
    });
    Object {
        places: places.collect(),
        body: located.value,
    }
}

/// A `List` is its items; those of a `DeploymentList` say no kind themselves.
fn push(mut object: Object, source: &mut Source) {
    let of_items = object.kind().strip_suffix("List").map(str::to_owned);
    let Some(kind) = of_items.filter(|_| object.body["items"].is_array()) else {
        modern(&mut object);
        if !object.kind().is_empty() || is_adapter(&object.body) {
            source.objects.push(object);
        }
        return;
    };
    let version = object.body["apiVersion"].clone();
    for (pointer, item) in object.items("/items") {
        let below = format!("{pointer}/");
        let places = object.places.range(below.clone()..);
        let places = places
            .take_while(|(key, _)| key.starts_with(&below))
            .chain(object.places.get_key_value(&pointer))
            .map(|(key, places)| (key[pointer.len()..].to_owned(), places.clone()));
        let mut body = item.clone();
        if body["kind"].is_null() && body.is_object() && !kind.is_empty() {
            body["kind"] = kind.as_str().into();
            body["apiVersion"] = version.clone();
        }
        let item = Object {
            body,
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
    // What reads all of `.Values`, or something around this value, may read this value too.
    let is_read = read.iter().any(|read| path.starts_with(read));
    let is_outside = path.first().is_some_and(|first| first == "global");
    if is_read || is_outside {
        return;
    }
    let is_partly_read = read.iter().any(|read| read.starts_with(path));
    if let (Data::Map(entries), true) = (&value.data, is_partly_read) {
        for (key, entry) in entries.iter() {
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
    let objects = objects.into_iter().map(|body| {
        let mut object = Object::live(body);
        modern(&mut object);
        object
    });
    Source {
        objects: objects.collect(),
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
    let container = view
        .deployment
        .text(&view.pod.in_container("/name"))
        .to_owned();
    (!labels.is_empty()).then(|| (labels.join(","), container))
}
