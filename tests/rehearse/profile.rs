//! The profile's file.

use std::path::Path;

use uninlu::profile::{Profile, Saturation, Service, VERSION};
use uninlu::profile_file;

fn profile() -> Profile {
    Profile {
        format_version: VERSION,
        image: "registry.test/siamese-uninlu:0123456789abcdef".into(),
        measured_at: "2026-01-02T03:04:05Z".into(),
        processor: "Some Processor".into(),
        cpu_limit: 1000,
        memory_limit: 1 << 30,
        image_size: 300_000_000,
        startup: 1.25,
        memory_ready: 120_000_000,
        memory_peak: 180_000_000,
        service: vec![Service {
            characters: 50,
            latency: [0.0125, 0.018, 0.025],
            cpu_seconds: 0.011,
        }],
        saturation: Saturation {
            characters: 50,
            objective: 1.0,
            requests_per_second: 72.5,
            cpu_seconds: 0.0105,
            latency: [0.02, 0.9, 0.98],
        },
    }
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("uninlu.profile.json");
    assert_eq!(profile_file::read(&file).expect("readable"), None);
    profile_file::write(&profile(), &file).expect("writable");
    assert_eq!(
        profile_file::read(&file).expect("readable"),
        Some(profile())
    );
    insta::assert_snapshot!(profile().text());
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("taken");
    std::fs::create_dir(&file).expect("a folder");
    let error = profile_file::write(&profile(), &file).expect_err("a folder is in its place");
    assert!(error.to_string().contains("cannot write the profile"));
    let left = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(left, 1, "only what was there before");
}

#[test]
fn another_version_is_no_profile() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("uninlu.profile.json");
    let newer = Profile {
        format_version: VERSION + 1,
        ..profile()
    };
    profile_file::write(&newer, &file).expect("writable");
    assert!(profile_file::read(&file).is_err());
}

/// Version 2 has the same keys in kebab-case.
#[test]
fn the_earlier_version_is_read() {
    let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulate/made-up.profile.json");
    let text = std::fs::read_to_string(&earlier).expect("readable");
    assert!(
        text.contains("\"version\": 2") && text.contains("\"cpu-limit\""),
        "{text}"
    );
    let profile = profile_file::read(&earlier)
        .expect("a profile")
        .expect("it is there");
    assert_eq!((profile.format_version, profile.cpu_limit), (2, 2000));
    assert_eq!(profile.saturation.cpu_seconds, 0.076);
}
