//! Saved plans: read back as they were written, or not at all.

use uninlu::plan::{self, Action, Live, Plan, file, moved};

/// The plan of a stack that is not deployed; what it says is of no matter here.
pub(super) fn plan() -> Plan {
    let case =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases/create/after.toml");
    let goal = super::goal(&case).expect("the case has a stack");
    plan::plan(goal, &Live::default()).expect("nothing is in its way")
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    let plan = plan();
    let text = file::write(&plan).expect("its image is pinned");
    assert_eq!(file::read(&text).expect("unchanged"), plan);
}

/// Also where the text stays valid JSON, and where it only is in a number or in a name.
#[test]
fn a_plan_with_one_bit_of_any_byte_flipped_is_never_another_plan() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/cases/settings");
    let mut plan = super::planned(&folder).expect("nothing is in its way");
    // The time grows with the square of the text.
    plan.goal.objects.clear();
    let text = file::write(&plan).expect("its image is pinned");
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] ^= 1 << (index % 8);
        // What is no UTF-8 is read as the command reads it.
        if let Ok(read) = file::read(&String::from_utf8_lossy(&bytes)) {
            assert_eq!(read, plan, "byte {index}");
        }
    }
}

#[test]
fn a_plan_of_another_version_is_named() {
    let text = file::write(&plan()).expect("its image is pinned");
    let newer = text.replace(file::FORMAT, "uninlu.plan/v9");
    let error = file::read(&newer)
        .expect_err("not this version's")
        .to_string();
    assert!(
        error.contains("uninlu.plan/v9") && error.contains(file::FORMAT),
        "{error}"
    );
}

#[test]
fn a_plan_whose_image_is_open_cannot_be_saved() {
    let mut plan = plan();
    plan.goal.image.to_be_built = Some("it is not in the registry".into());
    let error = file::write(&plan).expect_err("what would be applied is not known");
    assert!(matches!(error, file::Unreadable::Open(_)), "{error}");
}

/// Both files are of the last version that wrote this format; the requests follow from the rest of the plan.
#[test]
fn a_plan_of_the_first_format_has_the_same_requests() {
    for name in ["autoscaling-first", "autoscaling-off"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan");
        let text = std::fs::read_to_string(folder.join(format!("first-format/{name}.json")));
        let saved = file::read(&text.expect("it is there")).expect("it is still read");
        let case = folder.join("cases").join(name);
        // That version rendered more settings into the ConfigMap, which the cluster then holds.
        let mut before = super::applied_before(&case);
        let kept = saved.changes.iter().filter(|it| it.action == Action::Keep);
        for id in kept.map(|change| &change.id) {
            let body = saved.goal.objects[id].clone();
            before.iter_mut().for_each(|before| {
                before.insert(id.clone(), body.clone());
            });
        }
        let now = super::planned_from(&case, before, saved.goal.clone());
        let now = now.expect("nothing is in its way");
        assert_eq!(moved(&saved, &now), [""; 0], "{name}");
        let ids = |plan: &Plan| {
            let writes = plan.writes.iter();
            writes.map(|it| it.id().clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&saved), ids(&now), "{name}");
    }
}
