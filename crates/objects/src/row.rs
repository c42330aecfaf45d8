//! What is known of a kind: each kind's file has its row, and `lib.rs` has the table of them.

use serde_json::Value;

use super::Progress;
use super::summary::Line;
use uninlu_stack::Stack;

/// A kind: how the API addresses it, and what is known of its objects.
pub(super) struct Row {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) is_namespaced: bool,
    /// Whether an object of somebody else can be in the way of ours, so that the kind is listed whole.
    pub(super) has_rivals: bool,
    /// The object's name, after the stack and its namespace.
    pub(super) name: fn(&str, &str) -> String,
    pub(super) render: Render,
    /// How far a live object is that is not being deleted.
    pub(super) progress: fn(&Value) -> Progress,
    /// What a plan shows of one that is created; lines without words are left out, and none is right for a kind whose
    /// name says all.
    pub(super) summary: fn(&Value) -> Vec<Line>,
    /// The causes, each with the path that all of its fields begin with.
    pub(super) causes: &'static [(&'static str, Causes)],
    pub(super) shapes: Shapes,
}

/// The object without what [`super::desired`] adds to each.
pub(super) enum Render {
    /// Every stack has it.
    Always(fn(&Stack, &Facts) -> Value),
    /// `None` when the stack does not want it.
    OnRequest(fn(&Stack) -> Option<Value>),
}

/// What a stack file cannot say and rendering must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Image reference for the container: pinned by digest, or with the tag of what is still to be built.
    pub image: String,
}

/// Fields by the beginning of their path, and the keys that set them with a space between, likeliest first. The first
/// entry that fits decides, so what is narrower stands first. The empty path is the object itself: why it is there.
pub(super) type Causes = &'static [(&'static str, &'static str)];

/// A field's path, its keys with a space between, `*` for any key or item, and what stands there. What is no field's path
/// or beginning is foreign.
pub(super) type Shape = &'static [(&'static str, Is)];

/// The shapes of a kind, each with the path that all of its fields begin with.
pub(super) type Shapes = &'static [(&'static [&'static str], Shape)];

/// What stands at a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Is {
    Text,
    Texts,
    Number,
    /// A number or a text: quantities, and Kubernetes' IntOrString.
    Amount,
    Exactly(&'static str),
    OneOf(&'static [&'static str]),
    Id(u32),
    True,
    False,
    /// `["ALL"]`
    All,
    /// No entries: anywhere else `{}` means "everything".
    Nothing,
    ApiVersion,
    Kind,
    ObjectName,
    StackName,
    SettingsName,
    Namespace,
    /// Labels of an object, which is a member of the set.
    MemberLabels,
    Labels,
    Selector,
    ScrapeAnnotations,
    Variable,
}

impl Is {
    pub(super) const fn is_needed(self) -> bool {
        use Is::{
            ApiVersion, Kind, Labels, MemberLabels, Namespace, ObjectName, Selector, StackName,
        };
        matches!(
            self,
            ApiVersion
                | Kind
                | ObjectName
                | StackName
                | Namespace
                | MemberLabels
                | Labels
                | Selector
        )
    }
}

pub(super) const PROTOCOLS: Is = Is::OneOf(&["TCP", "UDP"]);

/// Makes [`Kind`](super::Kind) of the table of kinds: each name with its row.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident: $row:path,)+) => {
        /// The kinds that a stack is made of.
        ///
        /// The order of the variants *is* the order of apply; its reverse is the order of destroy. What a pod needs to
        /// start comes before the Deployment, what looks at the Deployment comes after it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum Kind {
            $($(#[$doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind, in the order of apply.
            pub const ALL: [Kind; [$(stringify!($kind)),+].len()] = [$(Kind::$kind),+];

            /// The kind's name, `Deployment`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => stringify!($kind),)+
                }
            }

            const fn row(self) -> &'static row::Row {
                match self {
                    $(Kind::$kind => &$row,)+
                }
            }
        }
    };
}
pub(super) use kinds;
