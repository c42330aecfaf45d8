//! A schema over a text → paths of entities: the reference's recursion, turned inside out.
//!
//! The reference walks depth first and asks the model at every node. Here a node is answered whenever the model gets to
//! it, so that the nodes of all requests can be asked together; the order of the output does not depend on the order of
//! the answers.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::decode::{Entity, span};
use crate::schema::Schema;

/// An entity on a path.
// The order of the fields is the order of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Step {
    /// The type, as the schema names it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text that was found.
    pub span: String,
    /// Start, and end (exclusive).
    pub offset: [usize; 2],
    /// Of a strict classification only: the label's share among all labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// Names a node of one extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// What is asked about one entity, or about the text.
#[derive(Debug)]
struct Node {
    /// The node above, the type there, and the entity that this one asks about; none for the text.
    above: Option<(NodeId, usize, Entity)>,
    schema: Arc<Schema>,
    /// Per type: each entity found, with the node that asks on.
    found: Vec<Vec<(Entity, Option<NodeId>)>>,
}

/// One request's way through its schema.
#[derive(Debug)]
pub struct Extraction {
    nodes: Vec<Node>,
    output_all_prefix: bool,
}

/// An output would be longer than the bytes left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the output is too large")]
pub struct TooLarge;

/// Bytes that a step takes in JSON at least: `{"type":"","span":"","offset":[0,0]},`.
const STEP_BYTES: usize = 38;

impl Extraction {
    /// Begins with the schema's own types.
    pub fn new(schema: Arc<Schema>, output_all_prefix: bool) -> (Self, NodeId) {
        let root = Node {
            above: None,
            schema,
            found: Vec::new(),
        };
        let extraction = Self {
            nodes: vec![root],
            output_all_prefix,
        };
        (extraction, NodeId(0))
    }

    /// The prompts of a node, one per type: `type₁: span₁, type₂: span₂, type: `. They are as long as what was found, and
    /// are read only as far as they matter.
    pub fn prompts<'a>(
        &'a self,
        node: NodeId,
        text: &'a [char],
    ) -> impl Iterator<Item = impl Iterator<Item = char> + 'a> + 'a {
        let path = self.path(node);
        let types = self.nodes[node.0].schema.types.iter();
        types.map(move |(kind, _)| {
            let prefix = path.clone().into_iter().flat_map(|(kind, entity)| {
                let span = span(text, entity.offset).iter().copied();
                kind.chars()
                    .chain(": ".chars())
                    .chain(span)
                    .chain(", ".chars())
            });
            prefix.chain(kind.chars()).chain(": ".chars())
        })
    }

    /// How many prompts a node asks.
    pub fn width(&self, node: NodeId) -> usize {
        self.nodes[node.0].schema.types.len()
    }

    /// The types above a node, from the schema's own.
    pub fn names(&self, node: NodeId) -> Vec<&str> {
        self.path(node).into_iter().map(|(kind, _)| kind).collect()
    }

    /// How many types are above a node.
    pub fn level(&self, node: NodeId) -> usize {
        let above = |node: &NodeId| self.nodes[node.0].above.as_ref().map(|(above, ..)| *above);
        std::iter::successors(Some(node), above).count() - 1
    }

    /// From the text down to a node: types and entities.
    fn path(&self, node: NodeId) -> Vec<(&str, &Entity)> {
        let mut path = Vec::new();
        let mut at = &self.nodes[node.0];
        while let Some((above, kind, entity)) = &at.above {
            at = &self.nodes[above.0];
            path.push((at.schema.types[*kind].0.as_str(), entity));
        }
        path.reverse();
        path
    }

    /// Takes a node's entities, per type in the order of the prompts; gives the nodes that are to be asked now.
    pub fn answer(&mut self, id: NodeId, entities: Vec<Vec<Entity>>) -> Vec<NodeId> {
        let mut asked = Vec::new();
        let schema = self.nodes[id.0].schema.clone();
        let found = (schema.types.iter().zip(entities).enumerate())
            .map(|(kind, ((_, nested), entities))| {
                entities
                    .into_iter()
                    .map(|entity| {
                        let child = nested.as_ref().map(|nested| {
                            let above = Some((id, kind, entity.clone()));
                            let child = self.child(above, nested.clone());
                            asked.push(child);
                            child
                        });
                        (entity, child)
                    })
                    .collect()
            })
            .collect();
        self.nodes[id.0].found = found;
        asked
    }

    fn child(&mut self, above: Option<(NodeId, usize, Entity)>, schema: Arc<Schema>) -> NodeId {
        self.nodes.push(Node {
            above,
            schema,
            found: Vec::new(),
        });
        NodeId(self.nodes.len() - 1)
    }

    /// All paths found so far, depth first: in the order of the schema, then of the text. `take` grants the bytes of
    /// each path before it is made.
    ///
    /// # Errors
    /// When `take` refuses.
    pub fn output(
        &self,
        text: &[char],
        mut take: impl FnMut(usize) -> Result<(), TooLarge>,
    ) -> Result<Vec<Vec<Step>>, TooLarge> {
        let mut output = Vec::new();
        let mut prefix = Vec::new();
        self.collect(&self.nodes[0], &mut prefix, &mut |path| {
            take(path.iter().map(|step| bytes(step, text)).sum())?;
            let steps = path.iter().map(|(kind, entity)| step(kind, entity, text));
            output.push(steps.collect());
            Ok(())
        })?;
        Ok(output)
    }

    /// As deep as the schema, whose depth is bounded where it is read.
    fn collect<'a>(
        &'a self,
        node: &'a Node,
        prefix: &mut Vec<(&'a str, &'a Entity)>,
        take: &mut impl FnMut(&[(&'a str, &'a Entity)]) -> Result<(), TooLarge>,
    ) -> Result<(), TooLarge> {
        for ((kind, nested), found) in node.schema.types.iter().zip(&node.found) {
            for (entity, child) in found {
                prefix.push((kind, entity));
                if nested.is_none() || self.output_all_prefix {
                    take(prefix)?;
                }
                if let Some(child) = child {
                    self.collect(&self.nodes[child.0], prefix, take)?;
                }
                prefix.pop();
            }
        }
        Ok(())
    }
}

fn bytes((kind, entity): &(&str, &Entity), text: &[char]) -> usize {
    let span = span(text, entity.offset).iter();
    STEP_BYTES + kind.len() + span.map(|character| character.len_utf8()).sum::<usize>()
}

fn step(kind: &str, entity: &Entity, text: &[char]) -> Step {
    Step {
        kind: kind.to_owned(),
        span: span(text, entity.offset).iter().collect(),
        offset: entity.offset,
        score: entity.score,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entity(offset: [usize; 2]) -> Entity {
        Entity {
            offset,
            score: None,
        }
    }

    fn begun(schema: &serde_json::Value) -> (Extraction, NodeId) {
        let schema = Schema::parse(schema).expect("a schema");
        Extraction::new(Arc::new(schema), false)
    }

    fn prompts(extraction: &Extraction, node: NodeId, text: &[char]) -> Vec<String> {
        extraction
            .prompts(node, text)
            .map(String::from_iter)
            .collect()
    }

    #[test]
    fn a_prompt_names_its_prefix() {
        let text: Vec<char> = "谷爱凌参加自由式".chars().collect();
        let (mut extraction, root) = begun(&json!({ "人物": { "赛事": { "国籍": null } } }));
        assert_eq!(prompts(&extraction, root, &text), ["人物: "]);
        let people = extraction.answer(root, vec![vec![entity([0, 3])]]);
        let games = extraction.answer(people[0], vec![vec![entity([5, 8])]]);
        assert_eq!(
            prompts(&extraction, games[0], &text),
            ["人物: 谷爱凌, 赛事: 自由式, 国籍: "]
        );
        assert_eq!(extraction.names(games[0]), ["人物", "赛事"]);
    }

    #[test]
    fn the_order_of_answers_does_not_show() {
        let text: Vec<char> = "一二三".chars().collect();
        let (mut extraction, root) = begun(&json!({ "甲": { "乙": null } }));
        let both = vec![vec![entity([0, 1]), entity([1, 2])]];
        let nodes = extraction.answer(root, both);
        for node in nodes.iter().rev() {
            extraction.answer(*node, vec![vec![entity([2, 3])]]);
        }
        let output = extraction.output(&text, |_| Ok(())).expect("no bound");
        let first: Vec<&str> = output.iter().map(|path| path[0].span.as_str()).collect();
        assert_eq!(first, ["一", "二"]);
    }

    /// What is asked for is never less than what the JSON has, and nothing is made beyond it.
    #[test]
    fn the_bytes_of_an_output_are_asked_for_before_it_is_made() {
        let text: Vec<char> = "一二三".chars().collect();
        let (mut extraction, root) = begun(&json!({ "甲": null }));
        extraction.answer(root, vec![(0..3).map(|at| entity([at, 3])).collect()]);
        let mut asked = Vec::new();
        let output = extraction.output(&text, |bytes| {
            asked.push(bytes);
            Ok(())
        });
        for (path, asked) in output.expect("no bound").iter().zip(&asked) {
            let json = json!(path).to_string().len();
            assert!((json - 8..=json).contains(asked), "{asked}: {json}");
        }
        let mut left = asked[0] + asked[1];
        let refused = extraction.output(&text, |bytes| {
            left = left.checked_sub(bytes).ok_or(TooLarge)?;
            Ok(())
        });
        assert_eq!(refused, Err(TooLarge));
    }
}
