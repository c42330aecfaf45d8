//! What fits the cluster: how large a pod is, how many there are, and how a change replaces them.

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};

use crate::kinds::amounts::Amounts;
use crate::plan::{Room, room};
use crate::profile::Profile;

/// What one pod requests and may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    /// Request and limit in millicores.
    pub(super) cpu: [u64; 2],
    /// Request and limit in MiB.
    pub(super) memory: [u64; 2],
}

/// The nodes and what runs on them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) pods: &'a [Pod],
    /// Pods of the same stack: the new ones replace them.
    pub(super) own: &'a [&'a Pod],
}

/// Which pods may mount the model's volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Pods on every node.
    Anywhere,
    /// Pods on one node.
    OneNode,
    /// One pod.
    OnePod,
}

/// What the stack file is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) size: Size,
    pub(super) replicas: u32,
    /// Whether there is room for one more pod while a change replaces the others.
    pub(super) has_surge: bool,
    /// Pods of that size that find room, at most [`MOST`]; `None` when that is not known.
    pub(super) room: Option<u32>,
    /// Why pods request less CPU than usual.
    pub(super) why_small: Option<String>,
    /// Why there are fewer pods than usual, or none to spare during a change.
    pub(super) why_few: Option<String>,
    /// Why not even one pod finds room.
    pub(super) lack: Option<String>,
}

/// Pods that are looked for: the most that an autoscaler is proposed, and one during a change.
pub(super) const MOST: u32 = 9;
/// Pods of a stack that survives the loss of one.
const USUAL: u32 = 2;
/// CPU requests to try where the usual one leaves no room, in millicores. A request only reserves: the limit is what a
/// pod may use.
const SMALLER: [u64; 3] = [500, 250, 100];

impl Size {
    /// What the stack file's defaults are.
    pub(super) const USUAL: Self = Self {
        cpu: [1_000, 2_000],
        memory: [1_024, 2_048],
    };

    /// For weights of so many bytes: they are held once, and as much again may be needed while requests run.
    pub(super) fn of_weights(bytes: u64) -> Self {
        let request = (bytes.div_ceil(1 << 20) + BESIDE_WEIGHTS).next_multiple_of(64);
        Self {
            memory: [request, request * 2],
            ..Self::USUAL
        }
    }

    /// What was measured, with room above it. The CPU limit is that of the measurement, which says nothing about another.
    pub(super) fn of_profile(profile: &Profile) -> Self {
        let above = |bytes: i64, tenths: u64| {
            let mebibytes = bytes.unsigned_abs().div_ceil(1 << 20);
            (mebibytes * tenths).div_ceil(10).next_multiple_of(64)
        };
        let request = above(profile.memory_ready, 12);
        let limit = above(profile.memory_peak, 15).max(request);
        let cpu = match u64::try_from(profile.cpu_limit) {
            Ok(limit) if limit > 0 => [limit.min(Self::USUAL.cpu[0]), limit],
            _ => Self::USUAL.cpu,
        };
        Self {
            cpu,
            memory: [request, limit],
        }
    }

    /// As it is, and with smaller CPU requests.
    fn and_smaller(&self) -> impl Iterator<Item = Self> + '_ {
        let [request, limit] = self.cpu;
        let smaller = SMALLER.into_iter().filter(move |less| *less < request);
        std::iter::once(request)
            .chain(smaller)
            .map(move |request| Self {
                cpu: [request, limit],
                ..self.clone()
            })
    }

    /// What the scheduler counts, in thousandths.
    fn need(&self) -> Amounts {
        let memory = i128::from(self.memory[0]) * (1 << 20) * 1_000;
        Amounts::from([
            ("cpu".to_owned(), i128::from(self.cpu[0])),
            ("memory".to_owned(), memory),
            ("pods".to_owned(), 1_000),
        ])
    }
}

/// Memory of libtorch and the server besides the weights, in MiB; generous, since too little kills the pod.
const BESIDE_WEIGHTS: u64 = 192;

impl Reach {
    /// By the claim's access modes; a claim that is not known may reach everywhere.
    pub(super) fn of(claim: Option<&PersistentVolumeClaim>) -> Self {
        let spec = claim.and_then(|claim| claim.spec.as_ref());
        let modes = spec.and_then(|spec| spec.access_modes.as_deref());
        let modes = modes.unwrap_or_default();
        let is_only = |known: &[&str]| modes.iter().all(|mode| known.contains(&mode.as_str()));
        match modes {
            [] => Self::Anywhere,
            _ if is_only(&["ReadWriteOncePod"]) => Self::OnePod,
            _ if is_only(&["ReadWriteOncePod", "ReadWriteOnce"]) => Self::OneNode,
            _ => Self::Anywhere,
        }
    }
}

/// Two pods and room for a third during a change, where that fits; else what comes nearest to it.
pub(super) fn fit(size: &Size, ground: Option<Ground>, reach: Reach) -> Fit {
    let usual = Fit {
        size: size.clone(),
        replicas: USUAL,
        has_surge: true,
        room: None,
        why_small: None,
        why_few: None,
        lack: None,
    };
    if reach == Reach::OnePod {
        return Fit {
            replicas: 1,
            has_surge: false,
            why_few: Some("the claim is ReadWriteOncePod: one pod can mount it".to_owned()),
            ..usual
        };
    }
    let Some(ground) = ground else {
        return usual;
    };
    let tried: Vec<(Size, Room)> = size
        .and_smaller()
        .map(|size| {
            let found = ground.room(&size, reach);
            (size, found)
        })
        .collect();
    let first = |pods: u32| tried.iter().find(|(_, found)| found.pods >= pods);
    let Some((fitting, found)) = first(USUAL).or_else(|| first(1)) else {
        let lack = tried.last().and_then(|(_, found)| found.lack.clone());
        return Fit {
            room: Some(0),
            lack,
            ..usual
        };
    };
    Fit {
        size: fitting.clone(),
        replicas: found.pods.min(USUAL),
        has_surge: found.pods > USUAL,
        room: Some(found.pods),
        why_small: (size != fitting).then(|| {
            let request = cpu(size.cpu[0]);
            format!(
                "{} no room for two pods that request {request} CPU",
                nodes(reach)
            )
        }),
        why_few: match found.pods {
            1 => Some(format!("{} room for one such pod", nodes(reach))),
            USUAL => Some(format!(
                "{} room for two such pods, not for a third during a change",
                nodes(reach)
            )),
            _ => None,
        },
        lack: None,
    }
}

fn nodes(reach: Reach) -> &'static str {
    match reach {
        Reach::OneNode => "the claim is ReadWriteOnce, and one node has",
        Reach::Anywhere | Reach::OnePod => "the nodes have",
    }
}

impl Ground<'_> {
    fn room(self, size: &Size, reach: Reach) -> Room {
        let need = size.need();
        let on = |nodes: &[Node]| room(nodes, self.pods, self.own, &need, MOST);
        if reach != Reach::OneNode {
            return on(self.nodes);
        }
        let each = self.nodes.iter().map(|node| on(std::slice::from_ref(node)));
        each.max_by_key(|found| found.pods)
            .unwrap_or_else(|| on(&[]))
    }
}

/// As the stack file writes CPU.
pub(super) fn cpu(milli: u64) -> String {
    match milli % 1_000 {
        0 => (milli / 1_000).to_string(),
        _ => format!("{milli}m"),
    }
}

/// As the stack file writes memory.
pub(super) fn memory(mebibytes: u64) -> String {
    match mebibytes % 1_024 {
        0 => format!("{}Gi", mebibytes / 1_024),
        _ => format!("{mebibytes}Mi"),
    }
}
