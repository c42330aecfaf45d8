//! Other ways to write an output: grouped by type, offsets in UTF-16. Pure.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::extract::Step;

/// Entities by type: `{"人物": [{"span", "offset", "relations": {"职务": […]}}]}`.
///
/// Types come in the order in which they were found first, and so do the entities of each.
pub fn grouped(paths: &[Vec<Step>]) -> Group<'_> {
    let mut root = Group::default();
    for path in paths {
        root.add(path);
    }
    root
}

/// Types, each with its entities and what was found about them.
#[derive(Debug, Default)]
pub struct Group<'a> {
    types: Vec<(&'a str, Entities<'a>)>,
    /// Where each type stands.
    known: HashMap<&'a str, usize>,
}

/// Entities of one type.
#[derive(Debug, Default)]
struct Entities<'a> {
    found: Vec<(&'a Step, Group<'a>)>,
    /// Where the first with each offset stands: of one type in one text they are equal.
    known: HashMap<[usize; 2], usize>,
}

impl<'a> Group<'a> {
    fn add(&mut self, path: &'a [Step]) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        let types = &mut self.types;
        let kind = *self.known.entry(&step.kind).or_insert_with(|| {
            types.push((&step.kind, Entities::default()));
            types.len() - 1
        });
        types[kind].1.add(step, rest);
    }
}

impl<'a> Entities<'a> {
    fn add(&mut self, step: &'a Step, rest: &'a [Step]) {
        // Two leaves may be equal; what is asked on about is one entity.
        let known = self.known.get(&step.offset);
        let entity = match known.filter(|_| !rest.is_empty()) {
            Some(known) => *known,
            None => {
                self.found.push((step, Group::default()));
                let last = self.found.len() - 1;
                self.known.entry(step.offset).or_insert(last);
                last
            }
        };
        self.found[entity].1.add(rest);
    }
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.types.iter().map(|(kind, entities)| (kind, entities)))
    }
}

impl Serialize for Entities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.found.iter();
        serializer.collect_seq(found.map(|(step, group)| Found { step, group }))
    }
}

/// An entity as it is written.
struct Found<'a> {
    step: &'a Step,
    group: &'a Group<'a>,
}

impl Serialize for Found<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("span", &self.step.span)?;
        map.serialize_entry("offset", &self.step.offset)?;
        if let Some(score) = self.step.score {
            map.serialize_entry("score", &score)?;
        }
        if !self.group.types.is_empty() {
            map.serialize_entry("relations", self.group)?;
        }
        map.end()
    }
}

/// Counts offsets in UTF-16 code units, as a browser does.
pub fn in_utf16(text: &str, paths: &mut [Vec<Step>]) {
    let mut units = vec![0];
    for character in text.chars() {
        units.push(units[units.len() - 1] + character.len_utf16());
    }
    for step in paths.iter_mut().flatten() {
        step.offset = step.offset.map(|point| units[point.min(units.len() - 1)]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(kind: &str, span: &str, offset: [usize; 2]) -> Step {
        Step {
            kind: kind.into(),
            span: span.into(),
            offset,
            score: None,
        }
    }

    #[test]
    fn entities_are_grouped_with_what_was_found_about_them() {
        let lei = step("人物", "雷军", [0, 2]);
        let paths = [
            vec![lei.clone(), step("职务", "董事长", [8, 11])],
            vec![lei, step("出生地", "仙桃", [18, 20])],
            vec![step("公司", "小米", [3, 5])],
        ];
        assert_eq!(
            json!(grouped(&paths)),
            json!({
                "人物": [{ "span": "雷军", "offset": [0, 2], "relations": {
                    "职务": [{ "span": "董事长", "offset": [8, 11] }],
                    "出生地": [{ "span": "仙桃", "offset": [18, 20] }],
                } }],
                "公司": [{ "span": "小米", "offset": [3, 5] }],
            })
        );
    }

    /// Equal leaves stay apart, and what is asked on about is the first with its offset.
    #[test]
    fn equal_leaves_are_each_written() {
        let leaf = || step("人物", "雷军", [0, 2]);
        let paths = [
            vec![leaf()],
            vec![leaf()],
            vec![leaf(), step("职务", "董事长", [8, 11])],
        ];
        let written = json!(grouped(&paths));
        let entities = written["人物"].as_array().expect("entities");
        assert_eq!(entities.len(), 2, "{written}");
        assert_eq!(entities[0]["relations"]["职务"][0]["span"], "董事长");
    }

    #[test]
    fn characters_beyond_the_first_plane_count_twice_in_utf16() {
        let mut paths = [vec![step("人物", "乙", [1, 2])]];
        in_utf16("😀乙", &mut paths);
        assert_eq!(paths[0][0].offset, [2, 3]);
    }
}
