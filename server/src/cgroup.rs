//! What the control group tells: its processor time, its bound on memory.

use std::path::{Path, PathBuf};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;

/// Seconds for which the kernel kept this process from running, because its group's quota was used up.
#[derive(Debug)]
pub(crate) struct Throttling {
    file: PathBuf,
}

impl Throttling {
    /// In a container the group's own files are at the root, in either version of control groups.
    pub(crate) fn new() -> Self {
        let version_1 = Path::new("/sys/fs/cgroup/cpu/cpu.stat");
        let file = if version_1.exists() {
            version_1
        } else {
            Path::new("/sys/fs/cgroup/cpu.stat")
        };
        Self { file: file.into() }
    }
}

impl Collector for Throttling {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let counter = ConstCounter::new(throttled_seconds(&text));
        let metric = encoder.encode_descriptor(
            "uninlu_cpu_throttled",
            "Time that the CPU quota kept the process from running.",
            Some(&Unit::Seconds),
            counter.metric_type(),
        )?;
        counter.encode(metric)
    }
}

/// `throttled_usec` in version 2, `throttled_time` in nanoseconds in version 1; nothing is written without a quota.
fn throttled_seconds(text: &str) -> f64 {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(name, value)| {
            let per_second = match name {
                "throttled_usec" => 1e6,
                "throttled_time" => 1e9,
                _ => return None,
            };
            Some(value.trim().parse::<f64>().ok()? / per_second)
        })
        .unwrap_or(0.0)
}

/// Bytes of memory that the group grants, and with it the kernel before it kills; `None` is no bound.
pub(crate) fn memory_limit() -> Option<u64> {
    // As for [`Throttling`]: version 2, then version 1.
    ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|file| std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok())
        .and_then(|text| granted_bytes(&text))
}

/// Without a bound version 2 writes `max`, and version 1 the largest number of whole pages.
fn granted_bytes(text: &str) -> Option<u64> {
    let bytes: u64 = text.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let version_2 = "usage_usec 10\nnr_throttled 2\nthrottled_usec 1500000\n";
        let version_1 = "nr_periods 3\nnr_throttled 2\nthrottled_time 2500000000\n";
        assert!((throttled_seconds(version_2) - 1.5).abs() < 1e-9);
        assert!((throttled_seconds(version_1) - 2.5).abs() < 1e-9);
        assert!(throttled_seconds("").abs() < 1e-9);
    }

    #[test]
    fn no_bound_on_memory_is_none() {
        assert_eq!(granted_bytes("1073741824\n"), Some(1 << 30));
        assert_eq!(granted_bytes("max\n"), None);
        assert_eq!(granted_bytes("9223372036854771712\n"), None);
        assert_eq!(granted_bytes(""), None);
    }
}
