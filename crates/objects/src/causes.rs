//! Which keys of the stack file a field of an object comes from, so that a plan can say why it changes.

use super::Kind;

/// The keys (dotted paths) that set the field of that kind's object at `path`, likeliest first; none where no key does.
pub fn causes(kind: Kind, path: &str) -> Vec<&'static str> {
    if path.contains(".metadata.labels") && kind != Kind::Namespace {
        return vec!["labels"];
    }
    let rows = kind.row().causes.iter().flat_map(|(prefix, rows)| {
        let rows = rows.iter();
        rows.map(move |(pattern, keys)| (format!("{prefix}{pattern}"), *keys))
    });
    // An entry for the object itself tells of no field of it.
    let of_object = rows.filter(|(pattern, _)| pattern.is_empty() == path.is_empty());
    let of_object: Vec<(String, &str)> = of_object.collect();
    let find = |fits: &dyn Fn(&str) -> bool| of_object.iter().find(|(pattern, _)| fits(pattern));
    let found = find(&|pattern| path.starts_with(pattern));
    // A whole part that comes or goes is caused by what sets its first field.
    let found = found.or_else(|| find(&|pattern| pattern.starts_with(path)));
    found.map_or_else(Vec::new, |(_, keys)| keys.split(' ').collect())
}
