//! What the real controller did in random scenes (`kubernetes/make` lets it play them) must come out here too.

use serde::Deserialize;
use uninlu::simulate::hpa::{
    Autoscaler, Behavior, Change, Decision, Metric, Phase, Pod, Ready, Rules, Sample, Scale, Spec,
    Step, Tolerance,
};
use uninlu::stack::Select;

const SCENES: &str = include_str!("kubernetes/scenes.jsonl");

#[derive(Debug, Deserialize)]
struct Scene {
    min: i32,
    max: i32,
    #[serde(default)]
    cpu: i64,
    #[serde(default)]
    requests: i64,
    #[serde(default)]
    external: i64,
    up: Option<Given>,
    down: Option<Given>,
    steps: Vec<Moment>,
}

/// One direction of `behavior`, before the API's defaults.
#[derive(Debug, Deserialize)]
struct Given {
    stabilization: Option<i64>,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    select: String,
}

#[derive(Debug, Deserialize)]
struct Policy {
    r#type: String,
    value: i32,
    period: i64,
}

/// One reconcile; times are in seconds.
#[derive(Debug, Deserialize)]
struct Moment {
    at: i64,
    spec: i32,
    status: i32,
    pods: Vec<Row>,
    external: Option<i64>,
    /// 0 stands for nothing.
    wrote: i32,
}

#[derive(Debug, Deserialize)]
struct Row(
    String,
    bool,
    Option<i64>,
    Option<(bool, i64)>,
    i64,
    Option<(i64, i64, i64)>,
    Option<i64>,
);

impl Scene {
    fn spec(&self) -> Spec {
        let has_behavior = self.up.is_some() || self.down.is_some();
        Spec {
            min: self.min,
            max: self.max,
            tolerance: Tolerance::default(),
            behavior: has_behavior.then(|| Behavior {
                up: rules(self.up.as_ref(), Rules::default_up()),
                down: rules(self.down.as_ref(), Rules::default_down()),
            }),
        }
    }

    fn metrics(&self, moment: &Moment) -> Vec<Metric> {
        let mut metrics = Vec::new();
        if self.cpu > 0 {
            metrics.push(Metric::CpuUtilization {
                target: self.cpu,
                samples: moment.pods.iter().map(Row::cpu).collect(),
            });
        }
        if self.requests > 0 {
            metrics.push(Metric::PodsAverage {
                target: self.requests,
                samples: moment.pods.iter().map(Row::requests).collect(),
            });
        }
        if self.external > 0 {
            metrics.push(Metric::ExternalAverage {
                target: self.external,
                total: moment.external,
            });
        }
        metrics
    }
}

fn rules(given: Option<&Given>, default: Rules) -> Rules {
    let Some(given) = given else {
        return default;
    };
    let steps: Vec<Step> = given
        .policies
        .iter()
        .map(|policy| {
            let change = match policy.r#type.as_str() {
                "Pods" => Change::Pods(policy.value),
                _ => Change::Percent(policy.value),
            };
            Step::new(change, policy.period * 1_000)
        })
        .collect();
    Rules {
        stabilization: given
            .stabilization
            .map_or(default.stabilization, |seconds| seconds * 1_000),
        steps: if steps.is_empty() {
            default.steps
        } else {
            steps
        },
        select: match given.select.as_str() {
            "Min" => Select::Min,
            "Disabled" => Select::Disabled,
            _ => Select::Max,
        },
    }
}

impl Row {
    fn pod(&self) -> Pod {
        Pod {
            phase: match self.0.as_str() {
                "Pending" => Phase::Pending,
                "Failed" => Phase::Failed,
                _ => Phase::Running,
            },
            is_deleting: self.1,
            started: self.2.map(|second| second * 1_000),
            ready: self.3.map(|(is_true, since)| Ready {
                is_true,
                since: since * 1_000,
            }),
            cpu_request: self.4,
        }
    }

    fn cpu(&self) -> Option<Sample> {
        self.5.map(|(value, at, window)| Sample {
            value,
            at: at * 1_000,
            window: window * 1_000,
        })
    }

    fn requests(&self) -> Option<Sample> {
        self.6.map(|value| Sample {
            value,
            at: 0,
            window: 60_000,
        })
    }
}

#[test]
fn every_scene_goes_as_in_kubernetes() {
    let mut counts = [0; 3];
    for (number, line) in SCENES.lines().enumerate() {
        let scene: Scene = serde_json::from_str(line).expect("a scene");
        let mut autoscaler = Autoscaler::new(scene.spec());
        for moment in &scene.steps {
            let pods: Vec<Pod> = moment.pods.iter().map(Row::pod).collect();
            let scale = Scale {
                spec: moment.spec,
                status: moment.status,
            };
            let decision =
                autoscaler.reconcile(scale, &pods, &scene.metrics(moment), moment.at * 1_000);
            let wrote = match decision {
                Decision::Resize(replicas) => replicas,
                Decision::Keep | Decision::MetricsMissing => 0,
            };
            assert_eq!(
                wrote,
                moment.wrote,
                "scene {} at {} s",
                number + 1,
                moment.at
            );
            counts[match wrote {
                0 => 0,
                wrote if wrote > moment.spec => 1,
                _ => 2,
            }] += 1;
        }
    }
    assert!(
        counts.iter().all(|count| *count >= 75),
        "kept, up, down: each must be tried often: {counts:?}"
    );
}
