//! Which keys of the stack file a field of an object comes from, so that a plan can say why it changes.

use super::Kind;

/// The keys (dotted paths) that set the field of that kind's object at `path`, likeliest first; none where no key does.
pub fn causes(kind: Kind, path: &str) -> &'static [&'static str] {
    if path.contains(".metadata.labels") && kind != Kind::Namespace {
        return &["labels"];
    }
    // An entry for the object itself tells of no field of it.
    let of_object = kind
        .row()
        .causes
        .iter()
        .filter(|(pattern, _)| pattern.is_empty() == path.is_empty());
    let within = of_object
        .clone()
        .find(|(pattern, _)| path.starts_with(pattern));
    within
        .or_else(|| {
            of_object
                .clone()
                .find(|(pattern, _)| pattern.starts_with(path))
        })
        .map_or(&[], |(_, keys)| keys)
}
