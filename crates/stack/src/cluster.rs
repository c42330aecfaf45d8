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
#[schemars(rename = "Cluster")]
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
        let help = "write `[cluster]` with `context = \"…\"`, one of `kubectl config get-contexts -o name`";
        match &self.context {
            None => faults.add_missing(
                "cluster.context",
                section,
                "the stack names no cluster: `[cluster] context` is missing",
                help,
            ),
            Some(at) => {
                faults.check(!at.value.is_empty(), &at.span, "`context` is empty", help);
            }
        }
        if let Some(at) = &self.kubeconfig {
            faults.check(
                !at.value.starts_with('~'),
                &at.span,
                "`~` is the shell's; here it would be a folder of that name",
                "write an absolute path, or leave `kubeconfig` out for KUBECONFIG, then ~/.kube/config",
            );
        }
        Cluster {
            context: value_or(&self.context, String::new()),
            kubeconfig: self.kubeconfig.map(|file| folder.join(file.value)),
            create_namespace: value_or(&self.create_namespace, false),
        }
    }
}
