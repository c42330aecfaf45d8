//! Kubernetes quantities (`"500m"`, `"2Gi"`), as `k8s.io/apimachinery/pkg/api/resource` reads them.

/// A quantity as it was written, with its value.
///
/// Equality and order are by value: `"1024Mi"` equals `"1Gi"`.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The text as written; this is what goes into objects.
    pub text: String,
    /// The value in thousandths of the unit (millicores, thousandths of a byte), rounded up as Kubernetes does.
    pub milli: i128,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.milli.cmp(&other.milli)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}
