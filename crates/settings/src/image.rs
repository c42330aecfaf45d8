//! Which hot settings an image's server knows, as the image itself says.

use crate::NAMES;

/// Label of an image with the names of the settings that its server knows, separated by spaces.
pub const LABEL: &str = "dev.uninlu.settings";

/// What the server of an image without the label knows: the settings of the time when the label was introduced.
const WITHOUT_LABEL: [&str; 6] = [
    "max-length",
    "batch-tokens",
    "max-wait",
    "max-work",
    "max-time",
    "log-level",
];

/// The label of the image that this version builds.
pub fn label() -> String {
    NAMES.join(" ")
}

/// What an image's server knows, by the value of its label.
pub fn known(label: Option<&str>) -> Vec<&str> {
    match label {
        Some(names) => names.split_whitespace().collect(),
        None => WITHOUT_LABEL.to_vec(),
    }
}

/// Those of the names that the image's server does not know.
pub fn unknown<'a>(names: impl IntoIterator<Item = &'a str>, label: Option<&str>) -> Vec<&'a str> {
    let known = known(label);
    let names = names.into_iter();
    names.filter(|name| !known.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_given_what_it_knows() {
        assert!(unknown(NAMES, Some(&label())).is_empty());
        assert_eq!(
            unknown(NAMES, Some("max-length batch-tokens max-wait max-work")),
            ["max-time", "log-level"]
        );
        assert_eq!(unknown(["max-length"], Some("")), ["max-length"]);
    }

    #[test]
    fn an_image_without_the_label_knows_the_first_settings() {
        assert_eq!(unknown(["max-work", "of-later"], None), ["of-later"]);
    }
}
