//! Where a stack lives: all that is needed to find its objects again without its file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Stack;

/// Which stack, and the only place where it may be read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the stack.
    pub stack: String,
    /// Namespace of its objects.
    pub namespace: String,
    /// Context in the kubeconfig. No other context is ever used, not even the current one.
    pub context: String,
    /// Kubeconfig file, absolute; `None` means `KUBECONFIG`, then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `[env.NAME]` that was laid over the stack file, if any.
    pub environment: Option<String>,
}

impl Target {
    /// ` in namespace nlu of context prod (environment staging)`, to follow the stack's name.
    pub fn words(&self) -> String {
        let environment = self
            .environment
            .as_ref()
            .map_or(String::new(), |name| format!(" (environment {name})"));
        format!(
            " in namespace {} of context {}{environment}",
            self.namespace, self.context
        )
    }
}

impl Stack {
    /// Where the stack lives.
    pub fn target(&self) -> Target {
        Target {
            stack: self.name.clone(),
            namespace: self.namespace.clone(),
            context: self.cluster.context.clone(),
            kubeconfig: self.cluster.kubeconfig.clone(),
            environment: self.environment.clone(),
        }
    }
}
