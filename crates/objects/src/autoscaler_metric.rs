//! The metrics that a HorizontalPodAutoscaler reads, and who serves them.

use serde_json::Value;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AutoscalerMetric {
    /// The use of a resource, such as `cpu`.
    Resource(String),
    /// A metric of the pods, by its name.
    Pods(String),
}

impl AutoscalerMetric {
    /// What the rendered HorizontalPodAutoscaler reads.
    pub fn of(autoscaler: &Value) -> Vec<Self> {
        let read = |metric: &Value| {
            let name = |of: &Value| of["name"].as_str().map(str::to_owned);
            match metric["type"].as_str()? {
                "Resource" => name(&metric["resource"]).map(Self::Resource),
                "Pods" => name(&metric["pods"]["metric"]).map(Self::Pods),
                _ => None,
            }
        };
        let metrics = autoscaler["spec"]["metrics"].as_array();
        metrics.into_iter().flatten().filter_map(read).collect()
    }

    /// The API group that serves it.
    pub const fn group(&self) -> &'static str {
        match self {
            Self::Resource(_) => "metrics.k8s.io",
            Self::Pods(_) => "custom.metrics.k8s.io",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Resource(name) | Self::Pods(name) => name,
        }
    }

    /// Who serves it: what to do where it is not served.
    pub const fn fix(&self) -> &'static str {
        match self {
            Self::Resource(_) => "metrics-server serves it",
            Self::Pods(_) => {
                "the Prometheus Adapter serves it, with the rule of `uninlu render adapter`"
            }
        }
    }
}

/// Whether a metric can be read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricState {
    /// Nobody serves its API, and why that is known.
    NoApi(String),
    /// Its API answers, and has no value of any of the stack's pods.
    Missing,
    /// There is a value of at least one pod.
    Served,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_autoscaler_reads() {
        let autoscaler = json!({ "spec": { "metrics": [
            { "type": "Resource", "resource": { "name": "cpu" } },
            { "type": "Pods", "pods": { "metric": { "name": "requests" } } },
            { "type": "External", "external": { "metric": { "name": "queue" } } },
        ] } });
        assert_eq!(
            AutoscalerMetric::of(&autoscaler),
            [
                AutoscalerMetric::Resource("cpu".into()),
                AutoscalerMetric::Pods("requests".into())
            ]
        );
        assert_eq!(AutoscalerMetric::of(&json!({})), []);
    }
}
