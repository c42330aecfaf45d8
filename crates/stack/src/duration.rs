//! Durations as Go and Kubernetes write them (`"90s"`, `"1m30s"`).

use uninlu_settings::duration;

use super::Refused;
use super::text::typed_as_text;

/// A duration of whole seconds: Kubernetes' probe and grace fields know nothing finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// The length in seconds.
    pub seconds: u32,
}

impl Duration {
    /// So many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    /// Reads `"1h2m3s"` as Go does; fractions are fine as long as the whole is in seconds (`"1.5m"`).
    ///
    /// # Errors
    /// What is wrong with the text, with an example of what is right.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |what: &str| Refused::new(format!("`{text}` is {what}"), duration::HELP);
        let duration = duration::parse(text)?;
        if duration.subsec_nanos() != 0 {
            return Err(refused(
                "not in whole seconds, and Kubernetes' fields hold nothing finer",
            ));
        }
        let seconds = u32::try_from(duration.as_secs()).map_err(|_| refused("too long"))?;
        Ok(Self { seconds })
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_secs(duration.seconds.into())
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}s", self.seconds)
    }
}

typed_as_text!(
    Duration,
    "duration",
    "A duration in whole seconds, such as \"90s\" or \"1h30m\"",
    duration::PATTERN
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Go's own code: see the file's first lines.
    const GO: &str = include_str!("../tests/kubernetes/durations.tsv");

    #[test]
    fn durations_count_as_go_counts_them() {
        for line in GO.lines().filter(|line| !line.starts_with('#')) {
            let (text, expected) = line.split_once('\t').expect("two columns");
            let ours =
                Duration::parse(text).map_or("refused".into(), |duration| duration.to_string());
            assert_eq!(ours, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for seconds in [0, 1, 59, 60, 3_600, u32::MAX] {
            let duration = Duration { seconds };
            assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }
    }
}
