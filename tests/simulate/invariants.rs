//! What must hold whatever is measured: thousands of random reconciles.

use uninlu::simulate::hpa::{
    Autoscaler, Behavior, Change, Decision, Metric, Phase, Pod, Ready, Rules, Sample, Scale, Spec,
    Step, Tolerance, propose,
};
use uninlu::stack::Select;

/// The same numbers in each run (a linear congruential generator, its high bits).
struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % count) as i64
    }

    fn rules(&mut self) -> Rules {
        let step = |random: &mut Self| {
            let value = 1 + random.below(100) as i32;
            let change = if random.below(2) == 0 {
                Change::Pods(value)
            } else {
                Change::Percent(value)
            };
            Step::new(change, 1_000 * (1 + random.below(300)))
        };
        Rules {
            stabilization: self.below(400) * 1_000,
            steps: (0..=self.below(3)).map(|_| step(self)).collect(),
            select: [Select::Max, Select::Min, Select::Disabled][self.below(3) as usize],
        }
    }

    fn spec(&mut self) -> Spec {
        let min = 1 + self.below(5) as i32;
        Spec {
            min,
            max: min + self.below(20) as i32,
            tolerance: Tolerance::default(),
            behavior: (self.below(2) == 0).then(|| Behavior {
                up: self.rules(),
                down: self.rules(),
            }),
        }
    }

    fn pod(&mut self, now: i64) -> Pod {
        let started = now - self.below(600_000);
        Pod {
            phase: [
                Phase::Pending,
                Phase::Failed,
                Phase::Running,
                Phase::Running,
            ][self.below(4) as usize],
            is_deleting: self.below(8) == 0,
            started: (self.below(10) > 0).then_some(started),
            ready: (self.below(10) > 0).then(|| Ready {
                is_true: self.below(4) > 0,
                since: started + self.below(60_000),
            }),
            cpu_request: 1 + self.below(4_000),
        }
    }

    fn samples(&mut self, pods: &[Pod], now: i64) -> Vec<Option<Sample>> {
        let sample = |random: &mut Self| Sample {
            value: random.below(8_000),
            at: now - random.below(30_000),
            window: 10_000 + random.below(20_000),
        };
        pods.iter()
            .map(|_| (self.below(5) > 0).then(|| sample(self)))
            .collect()
    }
}

#[test]
fn the_number_stays_within_its_bounds_and_turned_off_directions_are_off() {
    let mut random = Random(1);
    for _ in 0..2_000 {
        let spec = random.spec();
        let mut autoscaler = Autoscaler::new(spec.clone());
        let mut replicas = spec.min;
        let mut now = 0;
        for _ in 0..20 {
            now += 15_000;
            let pods: Vec<Pod> = (0..replicas).map(|_| random.pod(now)).collect();
            let metrics = [
                Metric::CpuUtilization {
                    target: 1 + random.below(150),
                    samples: random.samples(&pods, now),
                },
                Metric::PodsAverage {
                    target: 1 + random.below(4_000),
                    samples: random.samples(&pods, now),
                },
            ];
            let scale = Scale {
                spec: replicas,
                status: replicas,
            };
            let before = replicas;
            if let Decision::Resize(wanted) = autoscaler.reconcile(scale, &pods, &metrics, now) {
                assert_ne!(wanted, before, "what changes nothing is not written");
                replicas = wanted;
            }
            assert!(
                (spec.min..=spec.max).contains(&replicas),
                "{spec:?}: {replicas}"
            );
            match &spec.behavior {
                None => assert!(replicas <= (2 * before).max(4), "{before} to {replicas}"),
                Some(behavior) => {
                    let off = |rules: &Rules| rules.select == Select::Disabled;
                    assert!(!(off(&behavior.up) && replicas > before), "{behavior:?}");
                    assert!(!(off(&behavior.down) && replicas < before), "{behavior:?}");
                }
            }
        }
    }
}

/// Pods without a measurement never turn the direction, nor push in it.
#[test]
fn missing_pods_only_hold_back() {
    let mut random = Random(2);
    let now = 1_000_000;
    for _ in 0..5_000 {
        let measured = 1 + random.below(10) as usize;
        let missing = random.below(6) as usize;
        let pod = Pod {
            phase: Phase::Running,
            is_deleting: false,
            started: Some(0),
            ready: Some(Ready {
                is_true: true,
                since: 1_000,
            }),
            cpu_request: 1_000,
        };
        let value = random.below(3_000);
        let sample = Sample {
            value,
            at: now,
            window: 15_000,
        };
        let mut samples = vec![Some(sample); measured];
        samples.extend(vec![None; missing]);
        let pods = vec![pod; samples.len()];
        let count = pods.len() as i32;
        let metric = Metric::CpuUtilization {
            target: 70,
            samples,
        };
        let scale = Scale {
            spec: count,
            status: count,
        };
        let proposal =
            propose(&metric, scale, &pods, Tolerance::default(), now).expect("a measured pod");
        if value * 100 / 1_000 > 70 {
            assert!(
                proposal >= count,
                "{measured} at {value}, {missing} missing: {proposal}"
            );
        } else {
            assert!(
                proposal <= count,
                "{measured} at {value}, {missing} missing: {proposal}"
            );
        }
    }
}
