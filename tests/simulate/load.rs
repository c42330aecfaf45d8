//! The load as it is written.

use miette::Diagnostic;
use uninlu::simulate::Load;

fn refused(text: &str) -> String {
    let error = Load::parse(text).expect_err(text);
    let labels: Vec<String> = error
        .labels()
        .into_iter()
        .flatten()
        .map(|label| text[label.offset()..label.offset() + label.len()].to_owned())
        .collect();
    format!("{error} [{}]", labels.join("] ["))
}

#[test]
fn shapes_are_read() {
    for (text, seconds, lowest, peak) in [
        ("constant:80/10m", 600.0, 80.0, 80.0),
        ("ramp:50..120/10m", 600.0, 50.0, 120.0),
        ("ramp:120..50/90s", 90.0, 50.0, 120.0),
        ("step:50,120,80/5m", 900.0, 50.0, 120.0),
        ("spike:50..200/10m", 600.0, 50.0, 200.0),
        ("wave:20..120/24h", 86_400.0, 20.0, 120.0),
        ("constant:50/5m+ramp:50..120/1m", 360.0, 50.0, 120.0),
        ("step:50,120/1m,constant:80.5/1m", 180.0, 50.0, 120.0),
    ] {
        let load = Load::parse(text).expect(text);
        assert!(
            (load.seconds() - seconds).abs() < 1e-6,
            "{text}: {}",
            load.seconds()
        );
        assert!(
            (load.lowest() - lowest).abs() < 1e-9,
            "{text}: {}",
            load.lowest()
        );
        assert!((load.peak() - peak).abs() < 1e-9, "{text}: {}", load.peak());
    }
}

#[test]
fn the_rise_is_found() {
    for (text, at) in [
        ("constant:50/5m", None),
        ("ramp:120..50/5m", None),
        ("ramp:50..120/5m", Some(0.0)),
        ("step:50,120/5m", Some(300.0)),
        ("constant:50/1m+ramp:50..60/1m", Some(60.0)),
    ] {
        assert_eq!(Load::parse(text).expect(text).rises_at(), at, "{text}");
    }
}

#[test]
fn what_is_wrong_is_shown_in_its_place() {
    let faults: Vec<String> = [
        "",
        "constant",
        "constant:80",
        "square:80/10m",
        "constant:many/10m",
        "constant:80/10",
        "constant:80/0s",
        "ramp:50/10m",
        "ramp:50..x/10m",
        "step:50,,120/5m",
        "constant:50/5m+ramp:50..1e999/10m",
        "constant:-1/5m",
        "constant:0/5m",
        "constant:100000/24h",
    ]
    .into_iter()
    .map(|text| format!("{text:?}: {}", refused(text)))
    .collect();
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn points_are_read() {
    let load = Load::from_csv(
        "load.csv",
        "seconds,requests_per_second\r\n0,50\n\n# noon\n60,50\n60,120\n120,80\n",
    )
    .expect("points");
    assert!((load.seconds() - 120.0).abs() < 1e-9);
    assert!((load.peak() - 120.0).abs() < 1e-9);
    assert_eq!(load.rises_at(), Some(60.0));
}

#[test]
fn a_wrong_line_is_shown() {
    for (text, line, message) in [
        ("0,50\n60;120\n", "60;120", "a line has two columns"),
        ("0,50\nx,120\n", "x,120", "`x` is not a number"),
        ("0,50\n60,120\n30,80\n", "30,80", "the seconds go back"),
        ("0,50\n", "0,50\n", "the load has no length"),
    ] {
        let error = Load::from_csv("load.csv", text).expect_err(text);
        assert_eq!(error.to_string(), message);
        let label = error
            .labels()
            .into_iter()
            .flatten()
            .next()
            .expect("a place");
        assert_eq!(&text[label.offset()..label.offset() + label.len()], line);
    }
}
