//! `[cluster]`: the one cluster that may be written to.

use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, value_or};
use super::fault::Faults;

/// The one cluster that may be written to.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Context in the kubeconfig. No other context is ever used, not even the current one.
    pub context: String,
    /// Kubeconfig file, absolute; `None` means `KUBECONFIG`, then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Whether the namespace is an object of this stack (made by apply, removed by destroy).
    pub create_namespace: bool,
}

/// The one cluster that may be written to
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawCluster {
    /// Context in the kubeconfig; no other context is ever used
    context: Option<At<String>>,
    /// Kubeconfig file; absent means KUBECONFIG, then ~/.kube/config
    kubeconfig: Option<At<String>>,
    /// Makes the namespace an object of this stack: made by apply, removed by destroy (default false)
    create_namespace: Option<At<bool>>,
}

impl RawCluster {
    pub(super) fn validate(
        self,
        section: &Range<usize>,
        folder: &Path,
        faults: &mut Faults,
    ) -> Cluster {
        let context = self
            .context
            .map(|context| context.value)
            .unwrap_or_default();
        faults.check(
            !context.is_empty(),
            section,
            "the stack names no cluster: `[cluster] context` is missing",
            "write `[cluster]` with `context = \"…\"`, one of `kubectl config get-contexts -o name`",
        );
        Cluster {
            context,
            kubeconfig: self.kubeconfig.map(|file| folder.join(file.value)),
            create_namespace: value_or(&self.create_namespace, false),
        }
    }
}
