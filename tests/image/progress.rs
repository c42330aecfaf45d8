//! BuildKit's messages → what is told.

use std::time::Duration;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use uninlu::image::progress::{Event, Failure, Progress, short};

/// Of a message, after the build began.
const NOW: Duration = Duration::from_secs(5);

fn vertex(name: &str) -> Vertex {
    Vertex {
        digest: format!("sha256:{name}"),
        name: name.to_owned(),
        ..Vertex::default()
    }
}

fn started(name: &str) -> Vertex {
    let mut vertex = vertex(name);
    vertex.started.get_or_insert_default().seconds = 100;
    vertex
}

fn completed(name: &str) -> Vertex {
    let mut vertex = started(name);
    vertex.completed.get_or_insert_default().seconds = 103;
    vertex
}

fn vertexes(vertexes: &[Vertex]) -> StatusResponse {
    StatusResponse {
        vertexes: vertexes.to_vec(),
        ..StatusResponse::default()
    }
}

fn log(name: &str, text: &str) -> StatusResponse {
    let log = VertexLog {
        vertex: format!("sha256:{name}"),
        msg: text.into(),
        ..VertexLog::default()
    };
    StatusResponse {
        logs: vec![log],
        ..StatusResponse::default()
    }
}

fn step(name: &str) -> String {
    name.to_owned()
}

#[test]
fn each_step_is_one_event_although_buildkit_repeats_itself() {
    let mut progress = Progress::default();
    let mut fold = |status: &[Vertex]| progress.fold(&vertexes(status), NOW);
    assert_eq!(fold(&[vertex("a"), vertex("b")]), []);
    assert_eq!(fold(&[started("a"), started("a")]), []);
    let elapsed = Some(Duration::from_secs(3));
    assert_eq!(
        fold(&[completed("a"), completed("a")]),
        [Event::Finished {
            step: step("a"),
            elapsed
        }]
    );
    assert_eq!(fold(&[started("a"), completed("a")]), []);
    assert_eq!(progress.running().count(), 0, "nothing runs any more");
}

#[test]
fn a_step_that_runs_for_long_is_named_once_before_it_ends() {
    let mut progress = Progress::default();
    let seconds = Duration::from_secs;
    progress.fold(&vertexes(&[started("a"), started("b"), vertex("c")]), NOW);
    assert_eq!(progress.running().collect::<Vec<_>>(), ["a", "b"]);
    progress.fold(&vertexes(&[completed("b")]), NOW + seconds(2));
    // What BuildKit repeats does not begin anew.
    progress.fold(&vertexes(&[started("a")]), NOW + seconds(9));
    assert!(progress.slow(NOW + seconds(9)).is_empty());
    assert_eq!(progress.slow(NOW + seconds(10)), ["a"]);
    assert!(progress.slow(NOW + seconds(99)).is_empty(), "once");
}

#[test]
fn a_line_has_the_steps_number_and_no_mounts() {
    assert_eq!(
        short(
            "[root 5/5] RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/build/target     LIBTORCH=/opt/libtorch server/image /root-of-image"
        ),
        "[root 5/5] RUN LIBTORCH=/opt/libtorch server/image /root-of-…"
    );
    assert_eq!(
        short("[root 2/5] COPY Cargo.toml ./"),
        "[root 2/5] COPY Cargo.toml ./"
    );
    assert_eq!(short(&"ä".repeat(61)), format!("{}…", "ä".repeat(60)));
}

#[test]
fn a_cached_step_has_no_time() {
    let cached = Vertex {
        cached: true,
        ..completed("a")
    };
    let elapsed = None;
    assert_eq!(
        Progress::default().fold(&vertexes(&[cached]), NOW),
        [Event::Finished {
            step: step("a"),
            elapsed
        }]
    );
}

#[test]
fn the_log_is_cut_into_lines_and_progress_bars_into_their_last_state() {
    let mut progress = Progress::default();
    progress.fold(&vertexes(&[started("a")]), NOW);
    assert_eq!(
        progress
            .fold(&log("a", "one\n10%\r50%\r100%\r\ntw"), NOW)
            .len(),
        2
    );
    let events = progress.fold(&log("a", "o\n"), NOW);
    let line = "two".to_owned();
    assert_eq!(
        events,
        [Event::Output {
            step: step("a"),
            line
        }]
    );
}

#[test]
fn the_step_that_failed_first_is_the_one_that_broke_the_build() {
    let mut progress = Progress::default();
    let failed = |name: &str, error: &str| Vertex {
        error: error.to_owned(),
        ..completed(name)
    };
    progress.fold(&vertexes(&[started("a"), started("b")]), NOW);
    for number in 0..100 {
        progress.fold(&log("b", &format!("line {number}\n")), NOW);
    }
    progress.fold(
        &vertexes(&[failed("b", "exit code: 3"), failed("a", "context canceled")]),
        NOW,
    );
    progress.fold(&log("b", "late, without an end"), NOW);
    let Failure { step, error, log } = progress.failure().expect("a failed step");
    assert_eq!((step.as_str(), error.as_str()), ("b", "exit code: 3"));
    assert_eq!(log.last().map(String::as_str), Some("late, without an end"));
    assert!(
        log.len() <= 41 && log.contains(&"line 99".to_owned()),
        "its last lines: {log:?}"
    );
}
