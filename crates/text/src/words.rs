//! Times, sizes and sentences as people read them.

use std::time::Duration;

/// `0.8 s`, `12 s`, `3 min 05 s`.
pub fn human_elapsed(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", elapsed.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// With its first letter as a sentence begins.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// `288.6 MB`: decimal units, as registries and `docker image ls` count.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// The first names, and how many more there are: `a, b and 3 more`.
pub fn few<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_reads_as_people_say_it() {
        assert_eq!(human_elapsed(Duration::from_millis(840)), "0.8 s");
        assert_eq!(human_elapsed(Duration::from_secs(12)), "12 s");
        assert_eq!(human_elapsed(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn one_is_not_many() {
        let all = [0, 1, 2].map(|count| counted(count, "error"));
        assert_eq!(all, ["0 errors", "1 error", "2 errors"]);
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(288_566_024), "288.6 MB");
        assert_eq!(human_bytes(1_200_000_000), "1.20 GB");
    }
}
