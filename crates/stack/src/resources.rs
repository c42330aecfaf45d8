//! `[resources]`: CPU and memory of a pod.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Quantity;
use super::at::At;
use super::fault::Faults;

/// CPU and memory of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// In cores.
    pub cpu: Bounds,
    /// In bytes.
    pub memory: Bounds,
}

/// What is reserved and what may be used; `limit` is never below `request`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Reserved by the scheduler.
    pub request: Quantity,
    /// Upper bound held by the kernel; `None` means unbounded.
    pub limit: Option<Quantity>,
}

/// CPU and memory of a pod
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Resources")]
pub(super) struct RawResources {
    /// In cores (default `{ request = "1", limit = "2" }`)
    cpu: At<RawBounds>,
    /// In bytes (default `{ request = "1Gi", limit = "2Gi" }`: the published model takes 475 MB in fp32)
    memory: At<RawBounds>,
}

/// What is reserved and what may be used
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Bounds")]
struct RawBounds {
    /// Reserved by the scheduler
    request: Option<At<Quantity>>,
    /// Upper bound held by the kernel; absent means the request when that is the larger, else the default
    limit: Option<At<Quantity>>,
}

/// A server that cannot hold even the interpreter of its libraries is a slip of the unit.
const SMALLEST_MEMORY: i128 = 16 * 1024 * 1024;

impl RawResources {
    pub(super) fn validate(self, faults: &mut Faults) -> Resources {
        let memory = validate_bounds(self.memory.value, "1Gi", "2Gi", faults, check_memory);
        Resources {
            cpu: validate_bounds(self.cpu.value, "1", "2", faults, |_, _| ()),
            memory,
        }
    }
}

fn check_memory(at: &At<Quantity>, faults: &mut Faults) {
    faults.check(
        at.value.units() >= SMALLEST_MEMORY,
        &at.span,
        format!(
            "`{}` is {} byte(s) of memory, and no server runs in that",
            at.value,
            at.value.units()
        ),
        "write the unit: \"2Gi\" is 2 gibibytes, while \"2\" is two bytes and \"2m\" two thousandths of one",
    );
}

fn validate_bounds(
    RawBounds { request, limit }: RawBounds,
    default_request: &str,
    default_limit: &str,
    faults: &mut Faults,
    check: impl Fn(&At<Quantity>, &mut Faults),
) -> Bounds {
    let constant = |text| Quantity::parse(text).expect("a default is a quantity");

    for at in [&request, &limit].into_iter().flatten() {
        check(at, faults);
    }
    if let Some(at) = &request {
        faults.check(
            at.value.milli > 0,
            &at.span,
            "a request of nothing",
            "write what a pod needs to run at all",
        );
    }
    if let (Some(request), Some(limit)) = (&request, &limit) {
        faults.check(
            limit.value >= request.value,
            &limit.span,
            format!(
                "the limit {} is below the request {}",
                limit.value, request.value
            ),
            "raise the limit or lower the request",
        );
    }
    // What is absent follows what is present, so that a default never contradicts a given value.
    let (default_request, default_limit) = (constant(default_request), constant(default_limit));
    let limit = limit.map(|at| at.value);
    let request = match (request, &limit) {
        (Some(request), _) => request.value,
        (None, Some(limit)) => default_request.min(limit.clone()),
        (None, None) => default_request,
    };
    Bounds {
        limit: Some(limit.unwrap_or_else(|| default_limit.max(request.clone()))),
        request,
    }
}
