//! The pods' lives: created, started, ready, served from, taken away.

use super::metrics::{Counter, Cpu};
use super::pod::{Capacity, Server};
use super::random::Random;
use super::{Micros, SECOND, hpa, micros, seconds};
use crate::profile::Profile;
use uninlu_stack::Stack;

/// From the write of the number until the container starts: controllers, scheduler, sandbox; up to a second more. The
/// image is on the node, and the node has room.
const UNTIL_STARTED: Micros = 2 * SECOND;
/// From ready until requests come, and from the deletion until none come any more; up to a second more.
const UNTIL_ROUTED: Micros = SECOND;
/// The pods of the beginning have been there for so long.
const SETTLED: Micros = 3_600 * SECOND;

/// What the pods' lives depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// From the container's start until the startup probe finds it ready.
    until_ready: Micros,
    /// CPU request in millicores.
    cpu_request: i64,
}

impl Life {
    pub(super) fn of(profile: &Profile, stack: &Stack) -> Self {
        let period = f64::from(stack.probes.startup.period.seconds);
        // The first probe comes with the start; that of readiness comes at once when the startup probe is content.
        let probes = (profile.startup / period).ceil();
        Self {
            until_ready: micros(probes * period),
            cpu_request: i64::try_from(stack.resources.cpu.request.milli).unwrap_or(i64::MAX),
        }
    }

    /// From the write of the number until a new pod gets requests, in seconds, without the up to two that chance adds.
    pub(super) fn until_served(&self) -> f64 {
        seconds(UNTIL_STARTED + self.until_ready + UNTIL_ROUTED)
    }
}

/// One pod.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    /// What decides between equals, as uids do.
    uid: f64,
    created: Micros,
    started: Option<Micros>,
    ready: Option<Micros>,
    deleted: Option<Micros>,
    is_gone: bool,
    server: Server,
    cpu: Cpu,
    requests: Counter,
}

/// What comes next for a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Started,
    Ready,
    Routed,
    Unrouted,
    Gone,
    Scraped,
}

/// All pods that there ever were; an index names one.
#[derive(Debug)]
pub(super) struct Fleet {
    life: Life,
    capacity: Capacity,
    random: Random,
    /// What requests that are alone draw: each draws, so that all variants draw the same.
    luck: Random,
    pods: Vec<Pod>,
    /// Those that get requests.
    routed: Vec<usize>,
    /// What happens when.
    pub(super) coming: Vec<(Micros, usize, Stage)>,
}

impl Fleet {
    /// So many pods that have been ready for long.
    pub(super) fn settled(life: Life, capacity: Capacity, count: i32, seed: u64) -> Self {
        let mut fleet = Self {
            life,
            capacity,
            random: Random::new(seed, 3),
            luck: Random::new(seed, 5),
            pods: Vec::new(),
            routed: Vec::new(),
            coming: Vec::new(),
        };
        for index in 0..usize::try_from(count).unwrap_or_default() {
            fleet.create(-SETTLED);
            fleet.pods[index].started = Some(-SETTLED);
            fleet.pods[index].ready = Some(-SETTLED);
            fleet.routed.push(index);
            fleet.come(index, Stage::Scraped, 0);
        }
        fleet
    }

    fn create(&mut self, now: Micros) -> usize {
        self.pods.push(Pod {
            uid: self.random.unit(),
            created: now,
            started: None,
            ready: None,
            deleted: None,
            is_gone: false,
            server: Server::default(),
            cpu: Cpu::default(),
            requests: Counter::default(),
        });
        self.pods.len() - 1
    }

    fn come(&mut self, pod: usize, stage: Stage, at: Micros) {
        // A scrape's phase is the target's own.
        let spread = match stage {
            Stage::Scraped => super::metrics::SCRAPE,
            Stage::Started | Stage::Routed | Stage::Unrouted => SECOND,
            Stage::Ready | Stage::Gone => 0,
        };
        let chance = (self.random.unit() * spread as f64) as Micros;
        self.coming.push((at + chance, pod, stage));
    }

    /// The number was written: pods are created, or marked for deletion.
    pub(super) fn resize(&mut self, wanted: i32, now: Micros) {
        let wanted = usize::try_from(wanted).unwrap_or_default();
        while self.wanted() < wanted {
            let pod = self.create(now);
            self.come(pod, Stage::Started, now + UNTIL_STARTED);
        }
        let excess = self.wanted() - wanted;
        for pod in self.victims(now).into_iter().take(excess) {
            self.pods[pod].deleted = Some(now);
            self.come(pod, Stage::Unrouted, now + UNTIL_ROUTED);
        }
    }

    /// Pods in the order in which the ReplicaSet deletes them: not started, not ready, ready for less time (in powers of
    /// two), and by uid.
    fn victims(&self, now: Micros) -> Vec<usize> {
        let mut candidates: Vec<usize> = (0..self.pods.len())
            .filter(|pod| self.pods[*pod].deleted.is_none())
            .collect();
        let rank = |pod: &Pod| {
            let age = pod
                .ready
                .map(|ready| seconds(now - ready).max(1.0).log2() as i64);
            (pod.started.is_some(), age)
        };
        candidates.sort_by(|one, other| {
            let (one, other) = (&self.pods[*one], &self.pods[*other]);
            rank(one)
                .cmp(&rank(other))
                .then(one.uid.total_cmp(&other.uid))
        });
        candidates
    }

    /// A pod goes on; what follows is in `coming`.
    pub(super) fn advance(&mut self, index: usize, stage: Stage, now: Micros) {
        let pod = &mut self.pods[index];
        let is_leaving = pod.deleted.is_some();
        match stage {
            Stage::Started if !is_leaving => {
                pod.started = Some(now);
                self.come(index, Stage::Ready, now + self.life.until_ready);
                self.come(index, Stage::Scraped, now);
            }
            Stage::Ready if !is_leaving => {
                pod.ready = Some(now);
                self.come(index, Stage::Routed, now + UNTIL_ROUTED);
            }
            Stage::Routed if !is_leaving => self.routed.push(index),
            Stage::Unrouted => {
                self.routed.retain(|routed| *routed != index);
                let done = pod.server.done_at().max(now);
                self.come(index, Stage::Gone, done);
            }
            Stage::Gone => pod.is_gone = true,
            Stage::Scraped if !pod.is_gone => {
                // The server listens when its model is loaded; until then a scrape fails.
                if pod.ready.is_some() {
                    let answered = pod.server.answered(now);
                    pod.requests.scrape(now, answered as f64);
                }
                let next = now + super::metrics::SCRAPE;
                self.coming.push((next, index, Stage::Scraped));
            }
            _ => (),
        }
    }

    /// A request comes to any pod, as kube-proxy chooses for a new connection: the time until its answer, or `None` when
    /// it is refused.
    pub(super) fn ask(&mut self, now: Micros) -> Option<Micros> {
        let index = self.random.below(self.routed.len());
        let luck = self.luck.unit();
        let pod = *self.routed.get(index)?;
        self.pods[pod].server.ask(&self.capacity, now, luck)
    }

    /// metrics-server asks every kubelet.
    pub(super) fn measure_cpu(&mut self, now: Micros) {
        for pod in &mut self.pods {
            if let (Some(started), false) = (pod.started, pod.is_gone) {
                pod.cpu.measure(now, pod.server.cpu(now), started);
            }
        }
    }

    /// What the autoscaler's controller sees: its pods, and the samples of their CPU and of their requests.
    pub(super) fn seen(&self, now: Micros) -> Seen {
        let mut seen = Seen::default();
        for pod in self.pods.iter().filter(|pod| !pod.is_gone) {
            seen.pods.push(self.view(pod));
            seen.cpu.push(pod.cpu.sample());
            seen.requests
                .push(pod.requests.rate(now).map(|rate| hpa::Sample {
                    value: (rate * 1_000.0) as i64,
                    at: now / 1_000,
                    window: super::metrics::WINDOW / 1_000,
                }));
        }
        seen
    }

    fn view(&self, pod: &Pod) -> hpa::Pod {
        hpa::Pod {
            phase: match pod.started {
                Some(_) => hpa::Phase::Running,
                None => hpa::Phase::Pending,
            },
            is_deleting: pod.deleted.is_some(),
            started: pod.started.map(|at| at / 1_000),
            ready: Some(hpa::Ready {
                is_true: pod.ready.is_some(),
                since: pod.ready.unwrap_or(pod.created) / 1_000,
            }),
            cpu_request: self.life.cpu_request,
        }
    }

    /// Pods that are wanted, whether they serve already or not.
    pub(super) fn wanted(&self) -> usize {
        let is_wanted = |pod: &&Pod| pod.deleted.is_none();
        self.pods.iter().filter(is_wanted).count()
    }

    /// Pods that get requests.
    pub(super) fn serving(&self) -> usize {
        self.routed.len()
    }

    /// Pods that take up room: those that leave too.
    pub(super) fn present(&self) -> usize {
        self.pods.iter().filter(|pod| !pod.is_gone).count()
    }
}

/// What the controller sees; the lists have the same order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) pods: Vec<hpa::Pod>,
    pub(super) cpu: Vec<Option<hpa::Sample>>,
    pub(super) requests: Vec<Option<hpa::Sample>>,
}

impl Seen {
    /// CPU use of the pods that are measured, in percent of their requests.
    pub(super) fn cpu_percent(&self) -> Option<f64> {
        let measured = self.pods.iter().zip(&self.cpu);
        let (used, requested) = measured
            .filter_map(|(pod, sample)| Some(((*sample)?.value, pod.cpu_request)))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (requested > 0).then(|| used as f64 * 100.0 / requested as f64)
    }

    /// Requests per second of a pod that is measured.
    pub(super) fn requests_per_pod(&self) -> Option<f64> {
        let values: Vec<i64> = self
            .requests
            .iter()
            .flatten()
            .map(|sample| sample.value)
            .collect();
        let sum: i64 = values.iter().sum();
        (!values.is_empty()).then(|| sum as f64 / 1_000.0 / values.len() as f64)
    }
}
