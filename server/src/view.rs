//! Other ways to write an output: grouped by type, offsets in UTF-16. Pure.

use serde_json::{Map, Value, json};

use crate::extract::Step;

/// Entities by type: `{"人物": [{"span", "offset", "relations": {"职务": […]}}]}`.
///
/// Types come in the order in which they were found first, and so do the entities of each.
pub fn grouped(paths: &[Vec<Step>]) -> Value {
    let mut root = Group::default();
    for path in paths {
        root.add(path);
    }
    root.into_value()
}

/// Types, each with its entities and what was found about them.
#[derive(Default)]
struct Group {
    types: Vec<(String, Vec<(Step, Group)>)>,
}

impl Group {
    fn add(&mut self, path: &[Step]) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        let known = self.types.iter().position(|(kind, _)| *kind == step.kind);
        let kind = known.unwrap_or_else(|| {
            self.types.push((step.kind.clone(), Vec::new()));
            self.types.len() - 1
        });
        let entities = &mut self.types[kind].1;
        // Two leaves may be equal; what is asked on about is one entity.
        let known = entities
            .iter()
            .position(|(entity, _)| !rest.is_empty() && entity == step);
        let entity = known.unwrap_or_else(|| {
            entities.push((step.clone(), Group::default()));
            entities.len() - 1
        });
        entities[entity].1.add(rest);
    }

    fn into_value(self) -> Value {
        let types = self.types.into_iter().map(|(kind, entities)| {
            let entities = entities.into_iter().map(|(step, group)| {
                let mut entity = json!({ "span": step.span, "offset": step.offset });
                if let Some(score) = step.score {
                    entity["score"] = json!(score);
                }
                if !group.types.is_empty() {
                    entity["relations"] = group.into_value();
                }
                entity
            });
            (kind, Value::Array(entities.collect()))
        });
        Value::Object(types.collect::<Map<String, Value>>())
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
            grouped(&paths),
            json!({
                "人物": [{ "span": "雷军", "offset": [0, 2], "relations": {
                    "职务": [{ "span": "董事长", "offset": [8, 11] }],
                    "出生地": [{ "span": "仙桃", "offset": [18, 20] }],
                } }],
                "公司": [{ "span": "小米", "offset": [3, 5] }],
            })
        );
    }

    #[test]
    fn characters_beyond_the_first_plane_count_twice_in_utf16() {
        let mut paths = [vec![step("人物", "乙", [1, 2])]];
        in_utf16("😀乙", &mut paths);
        assert_eq!(paths[0][0].offset, [2, 3]);
    }
}
