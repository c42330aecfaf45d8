//! A schema over a text → paths of entities: the reference's recursion, turned inside out.
//!
//! The reference walks depth first and asks the model at every node. Here a node is answered whenever the model gets to
//! it, so that the nodes of all requests can be asked together; the order of the output does not depend on the order of
//! the answers.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::decode::Entity;
use crate::schema::Schema;

/// One step of a path. The order of the fields is the order of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Step {
    /// The type as it was asked for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text found.
    pub span: String,
    /// First code point, and the one behind the last.
    pub offset: [usize; 2],
    /// Only of a strict classification: the label's share among all labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// Names a node of one extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// A prefix and what is asked behind it.
#[derive(Debug)]
struct Node {
    prefix: Vec<Step>,
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

impl Extraction {
    /// Begins with the schema's own types.
    pub fn new(schema: Arc<Schema>, output_all_prefix: bool) -> (Self, NodeId) {
        let root = Node {
            prefix: Vec::new(),
            schema,
            found: Vec::new(),
        };
        let extraction = Self {
            nodes: vec![root],
            output_all_prefix,
        };
        (extraction, NodeId(0))
    }

    /// The hints of a node, one per type: `type₁: span₁, type₂: span₂, type: `.
    pub fn hints(&self, node: NodeId) -> Vec<String> {
        let node = &self.nodes[node.0];
        let asked = node.schema.types.iter();
        asked.map(|(kind, _)| hint(&node.prefix, kind)).collect()
    }

    /// Takes a node's entities, per type in the order of the hints; gives the nodes that are to be asked now.
    pub fn answer(&mut self, id: NodeId, entities: Vec<Vec<Entity>>) -> Vec<NodeId> {
        let mut asked = Vec::new();
        let schema = self.nodes[id.0].schema.clone();
        let found = schema
            .types
            .iter()
            .zip(entities)
            .map(|((kind, nested), entities)| {
                entities
                    .into_iter()
                    .map(|entity| {
                        let child = nested.as_ref().map(|nested| {
                            let child = self.child(id, kind, &entity, nested.clone());
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

    fn child(&mut self, id: NodeId, kind: &str, entity: &Entity, schema: Arc<Schema>) -> NodeId {
        let mut prefix = self.nodes[id.0].prefix.clone();
        prefix.push(step(kind, entity));
        self.nodes.push(Node {
            prefix,
            schema,
            found: Vec::new(),
        });
        NodeId(self.nodes.len() - 1)
    }

    /// All paths found so far, depth first: in the order of the schema, then of the text.
    pub fn output(&self) -> Vec<Vec<Step>> {
        let mut output = Vec::new();
        self.collect(&self.nodes[0], &mut output);
        output
    }

    /// As deep as the schema, whose depth is bounded where it is read.
    fn collect(&self, node: &Node, output: &mut Vec<Vec<Step>>) {
        for ((kind, nested), found) in node.schema.types.iter().zip(&node.found) {
            for (entity, child) in found {
                if nested.is_none() || self.output_all_prefix {
                    let mut path = node.prefix.clone();
                    path.push(step(kind, entity));
                    output.push(path);
                }
                if let Some(child) = child {
                    self.collect(&self.nodes[child.0], output);
                }
            }
        }
    }
}

fn step(kind: &str, entity: &Entity) -> Step {
    Step {
        kind: kind.to_owned(),
        span: entity.span.clone(),
        offset: entity.offset,
        score: entity.score,
    }
}

fn hint(prefix: &[Step], kind: &str) -> String {
    let mut hint = String::new();
    for step in prefix {
        hint.push_str(&format!("{}: {}, ", step.kind, step.span));
    }
    hint + kind + ": "
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entity(offset: [usize; 2], span: &str) -> Entity {
        Entity {
            offset,
            span: span.into(),
            score: None,
        }
    }

    fn begun(schema: &serde_json::Value) -> (Extraction, NodeId) {
        let schema = Schema::parse(schema).expect("a schema");
        Extraction::new(Arc::new(schema), false)
    }

    #[test]
    fn a_hint_names_its_prefix() {
        let (mut extraction, root) = begun(&json!({ "人物": { "赛事": { "国籍": null } } }));
        assert_eq!(extraction.hints(root), ["人物: "]);
        let people = extraction.answer(root, vec![vec![entity([0, 3], "谷爱凌")]]);
        let games = extraction.answer(people[0], vec![vec![entity([5, 8], "自由式")]]);
        assert_eq!(
            extraction.hints(games[0]),
            ["人物: 谷爱凌, 赛事: 自由式, 国籍: "]
        );
    }

    #[test]
    fn the_order_of_answers_does_not_show() {
        let (mut extraction, root) = begun(&json!({ "甲": { "乙": null } }));
        let both = vec![vec![entity([0, 1], "一"), entity([1, 2], "二")]];
        let nodes = extraction.answer(root, both);
        for node in nodes.iter().rev() {
            extraction.answer(*node, vec![vec![entity([2, 3], "三")]]);
        }
        let first: Vec<String> = extraction
            .output()
            .iter()
            .map(|path| path[0].span.clone())
            .collect();
        assert_eq!(first, ["一", "二"]);
    }
}
